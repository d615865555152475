"""Opens the graphs of a bundle, as its manifest describes them."""

from dataclasses import replace

from timbral.errors import BundleError
from timbral.inference.acoustic.flow_matching import FlowDecoder
from timbral.inference.acoustic.interface import AcousticDecoder
from timbral.inference.acoustic.source_filter import SourceFilterDecoder
from timbral.inference.acoustic.vits import VitsDecoder
from timbral.inference.alignment.durations import DurationPredictor
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.inference.alignment.selection import CandidateSelector
from timbral.inference.engine import SpeechEngine
from timbral.inference.guard.checks import RATES, Guard
from timbral.inference.semantic.backend import open_backend
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, files
from timbral.text.symbols import phone_ids

_PAUSE = ","
"""A phone of every symbol table that is silent, and spoken between words."""
_SENTENCE_ENDS = (".", "!", "?", "…")
"""Phones of every symbol table that end a sentence."""


def open_engine(bundle: Bundle, options: SessionOptions) -> SpeechEngine:
    """Both stages, the guard, and what ranks and times candidates."""
    return SpeechEngine(
        open_semantic(bundle, options),
        open_acoustic(bundle, options),
        Guard({**RATES, **{str(language): rate for language, rate in bundle.manifest.guard.items()}}),
        _open_selector(bundle, options),
    )


def open_semantic(bundle: Bundle, options: SessionOptions) -> SemanticDecoder:
    """Stage one."""
    prefill, step = bundle.path(files.SEMANTIC_PREFILL), bundle.path(files.SEMANTIC_STEP)
    shape = bundle.manifest.semantic
    if options.decoder_threads is not None:
        options = replace(options, threads=options.decoder_threads)
    backend = open_backend(prefill, step, options, slots=options.slots, capacity=shape.capacity)
    if backend.vocabulary != shape.vocabulary:
        raise BundleError(
            f"{step} has {backend.vocabulary} logits, not {shape.vocabulary}: get the model again"
        )
    return SemanticDecoder(backend)


def open_acoustic(bundle: Bundle, options: SessionOptions) -> AcousticDecoder:
    """Stage two, of the kind that the manifest names."""
    shape = bundle.manifest.acoustic
    if shape.kind == "flow-matching":
        return FlowDecoder.open(bundle, shape, options)
    if shape.kind == "vits":
        return VitsDecoder.open(bundle, shape, options)
    return SourceFilterDecoder.open(bundle, shape, options)


def _open_selector(bundle: Bundle, options: SessionOptions) -> CandidateSelector:
    manifest, shape = bundle.manifest, bundle.manifest.acoustic
    timed = shape.kind == "source-filter" and shape.phones
    aligner = durations = None
    if timed or bundle.has(files.ALIGNER):
        sizes = manifest.semantic
        aligner = HmmAligner.open(bundle.path(files.ALIGNER), sizes.phonemes, sizes.vocabulary)
    if timed:
        (pause,) = phone_ids([_PAUSE], manifest.symbols).tolist()
        ends = phone_ids(_SENTENCE_ENDS, manifest.symbols).tolist()
        durations = DurationPredictor.open(bundle, options, pause, ends)
    return CandidateSelector(aligner, durations)
