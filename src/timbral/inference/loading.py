"""Opens the graphs of a bundle: which ones there are, and how they are told what the manifest says."""

from timbral.inference.acoustic.flow_matching import FlowConfig, FlowDecoder
from timbral.inference.acoustic.interface import AcousticDecoder
from timbral.inference.acoustic.residuals import EnvelopePredictor
from timbral.inference.acoustic.source_filter import SourceFilterConfig, SourceFilterDecoder
from timbral.inference.acoustic.vits import VitsConfig, VitsDecoder
from timbral.inference.alignment.durations import DurationPredictor
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.inference.engine import SpeechEngine
from timbral.inference.guard.guard import RATES, Guard, Rate
from timbral.inference.reference_encoder import ReferenceConfig, ReferenceEncoder
from timbral.inference.semantic.backend import open_backend
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import Bundle
from timbral.text.symbols import phone_ids

ROWS = 8
"""Takes that stage one speaks at a time, of one sentence or of several requests."""

LISTENER = "listener.safetensors"
"""The file of a bundle whose sentences are spoken in several takes; see engine.listener."""
DURATIONS = "durations.onnx"
"""The file of a bundle whose stage two is told when each phone is spoken; see engine.durations."""
_PAUSE = ","
"""A phone of every symbol table that is silent, and spoken between words."""


def open_engine(bundle: Bundle, options: SessionOptions) -> SpeechEngine:
    """Both stages and the guard."""
    return SpeechEngine(
        open_semantic(bundle, options), open_acoustic(bundle, options), _guard(bundle, options)
    )


def open_references(bundle: Bundle, options: SessionOptions) -> ReferenceEncoder:
    """What hears recordings."""
    heard, shape = bundle.manifest.reference, bundle.manifest.acoustic
    mel_rate = shape.mel_sample_rate if shape.kind == "flow-matching" else None
    config = ReferenceConfig(
        rate=heard.rate,
        timbre_rate=heard.timbre_rate or heard.rate,
        mel_rate=mel_rate,
        silence=heard.silence,
    )
    recall = None
    if shape.kind == "source-filter" and shape.envelope:
        graph = Graph(bundle.path("recalled.onnx"), ("tokens", "timbre", "f0"), ("envelope",), options)
        recall = EnvelopePredictor(graph, bundle.manifest.sample_rate / 2, shape.frames_per_token)
    return ReferenceEncoder.open(
        bundle.path("content.onnx"),
        bundle.path("timbre.onnx"),
        config,
        options,
        speaker=bundle.path("speaker.onnx") if shape.kind == "vits" and shape.speaker else None,
        mel=bundle.path("mel.onnx") if mel_rate else None,
        recall=recall,
    )


def open_semantic(bundle: Bundle, options: SessionOptions) -> SemanticDecoder:
    """Stage one."""
    runner = open_backend(
        bundle.path("semantic_prefill.onnx"),
        bundle.path("semantic_step.onnx"),
        options,
        rows=ROWS,
        capacity=bundle.manifest.semantic.capacity,
    )
    return SemanticDecoder(runner)


def open_acoustic(bundle: Bundle, options: SessionOptions) -> AcousticDecoder:
    """Stage two, of the kind that the manifest names."""
    shape, rate = bundle.manifest.acoustic, bundle.manifest.sample_rate
    vocoder = bundle.path("vocoder.onnx")
    if shape.kind == "flow-matching":
        flow = FlowConfig(
            sample_rate=rate,
            timbre_size=shape.timbre_size,
            mel_rate=shape.mel_rate,
            reference_frames=shape.reference_frames,
            chunk_frames=shape.chunk_frames,
            steps=shape.steps,
        )
        features, condition = bundle.path("features.onnx"), bundle.path("condition.onnx")
        return FlowDecoder.open(features, condition, bundle.path("flow.onnx"), vocoder, flow, options)
    latent = bundle.path("latent.onnx")
    if shape.kind == "vits":
        vits = VitsConfig(
            sample_rate=rate,
            frames_per_token=shape.frames_per_token,
            timbre_size=shape.timbre_size,
            latent=shape.latent,
            noise_scale=shape.noise_scale,
            hop=shape.hop,
            reach=shape.reach,
        )
        return VitsDecoder.open(latent, vocoder, vits, options)
    source_filter = SourceFilterConfig(
        sample_rate=rate,
        hop=shape.hop,
        frames_per_token=shape.frames_per_token,
        context_tokens=shape.context_tokens,
        chunk_tokens=shape.chunk_tokens,
        timbre_size=shape.timbre_size,
        phonemes=bundle.manifest.semantic.phonemes if shape.phones else 0,
        envelope=shape.envelope,
    )
    return SourceFilterDecoder.open(latent, vocoder, source_filter, options)


def _guard(bundle: Bundle, options: SessionOptions) -> Guard:
    manifest, shape = bundle.manifest, bundle.manifest.acoustic
    rates: dict[str, Rate] = {name: Rate(**dict(rate)) for name, rate in manifest.guard.items()}
    scheduled = shape.kind == "source-filter" and shape.phones
    listener = durations = None
    if scheduled or LISTENER in manifest.files:
        listener = HmmAligner.open(bundle.path(LISTENER))
    if scheduled:
        (pause,) = phone_ids([_PAUSE], manifest.symbols).tolist()
        durations = DurationPredictor.open(bundle.path(DURATIONS), options, pause)
    return Guard({**RATES, **rates}, listener=listener, durations=durations)
