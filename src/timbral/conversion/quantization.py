"""Quantisation error of a bundle against the float32 networks, on recordings apart from calibration.

The bundle's own encoders encode the recordings, so that both sides get the same inputs. Stage one is compared
under teacher forcing, stage two by the sound of the same tokens and the noise of one seed.
"""

import gc
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timbral.audio import read_reference
from timbral.audio.measures import log_mel_distance, relative_error, signal_to_noise
from timbral.conversion.components import Components, read_network, read_stage_two
from timbral.conversion.families import symbols_of
from timbral.conversion.networks import (
    acoustic_network,
    mel_acoustic_network,
    semantic_network,
    vocoder_network,
)
from timbral.errors import CheckpointError, TimbralWarning
from timbral.inference.acoustic.flow_matching import FlowDecoder
from timbral.inference.acoustic.interface import Network, TimedTokens
from timbral.inference.acoustic.vits import VitsDecoder
from timbral.inference.frontend import Frontend
from timbral.inference.loading import open_acoustic
from timbral.inference.reference_encoder import ReferenceEncoder
from timbral.inference.request import Conditioning, UtteranceRequest
from timbral.inference.semantic.backend import open_backend
from timbral.inference.semantic.teacher_forcing import argmax_agreement, teacher_forced
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, files
from timbral.models.manifest import SYMBOLS, AcousticError, QuantizationReport, SemanticError
from timbral.nets.semantic import BERT_CHANNELS, SemanticTransformer
from timbral.nets.spectrogram import denormalized
from timbral.text.segmentation import Language

HELD_OUT: tuple[tuple[str, Language, str], ...] = (
    (
        "held_out_english.flac",
        "en",
        "They left him then, for the jailer arrived to unlock the door and escort them to the office.",
    ),
    ("held_out_chinese.flac", "zh", "粉丝还要打造慈善捐赠事业的阳光工程。"),
)
"""File, language and transcript; sources and licences lie beside the files."""
_MAX_SIGNAL_TO_NOISE = 120.0
"""dB: near the rounding of float32 itself."""
PROMPT = 25
"""Tokens of the prompt: a second."""
_MIN_AGREEMENT, _MAX_LOG_MEL = 0.97, 1.0
"""Beyond these a listener may notice the error; 1 dB is the least audible step of level."""
_FLOW_TOKENS, _FLOW_STEPS = 25, 4
"""Tokens that v3 and v4 speak, and steps of their solver: a step for a second of sound takes seconds."""
_CPU = SessionOptions(device="cpu", engine="onnxruntime")  # errors do not depend on what is installed

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class EncodedRecording:
    """Inputs of both stages: tokens [T], phones [P], BERT features [P, d], timbre [D], mel [bands, R]."""

    tokens: Ids
    phones: Ids
    features: Floats | None
    timbre: Floats
    mel: Floats | None


def measure(bundle: Bundle, components: Components) -> QuantizationReport:
    """Quantisation error of `bundle` against the checkpoints that it was made of."""
    recordings = _encode_recordings(bundle)
    gc.collect()
    semantic = _semantic_error(bundle, components, recordings)
    gc.collect()
    acoustic = _acoustic_error(bundle, components, recordings)
    return QuantizationReport(semantic=semantic, acoustic=acoustic, recordings=len(recordings))


def is_audible(report: QuantizationReport) -> bool:
    """Whether the error is so large that it may be heard."""
    return report.semantic.agreement < _MIN_AGREEMENT or report.acoustic.log_mel > _MAX_LOG_MEL


def _encode_recordings(bundle: Bundle) -> list[EncodedRecording]:
    """The held-out recordings, each in its own timbre."""
    references = ReferenceEncoder.open(bundle, _CPU)
    encoded = []
    for name, _, _ in HELD_OUT:
        path = Path(__file__).with_name("recordings") / name
        sounds = read_reference(path, *references.rates).sounds
        encoded.append((references.tokens(sounds), references.timbre([sounds]), references.mel(sounds)))
    del references
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TimbralWarning)  # the importer has warned of a missing BERT
        reader = Frontend.open(bundle, _CPU)
    recordings = []
    for (_, language, text), (tokens, timbre, mel) in zip(HELD_OUT, encoded, strict=True):
        utterance = reader.transcript(text, language)
        recordings.append(EncodedRecording(tokens, utterance.ids, reader.features(utterance), timbre, mel))
    return recordings


def _semantic_error(
    bundle: Bundle, components: Components, recordings: Sequence[EncodedRecording]
) -> SemanticError:
    runner = open_backend(
        bundle.path(files.SEMANTIC_PREFILL),
        bundle.path(files.SEMANTIC_STEP),
        _CPU,
        slots=1,
        capacity=bundle.manifest.semantic.capacity,
    )
    found = [teacher_forced(runner, each.phones, each.features, each.tokens, PROMPT) for each in recordings]
    del runner
    network = semantic_network(read_network(components.semantic), SYMBOLS[symbols_of(components.version)])
    expected = [_logits(network, each) for each in recordings]
    reference, other = np.concatenate(expected), np.concatenate(found)
    _check(other, components.semantic.path)
    return SemanticError(
        agreement=_digits(argmax_agreement(reference, other)),
        error=_digits(relative_error(reference, other)),
        positions=len(reference),
    )


@torch.inference_mode()
def _logits(network: SemanticTransformer, recording: EncodedRecording) -> Floats:
    """Logits of the float32 network, as `teacher_forced` gives those of graphs."""
    phones, tokens = torch.from_numpy(recording.phones)[None], torch.from_numpy(recording.tokens)[None]
    features = None
    if network.config.bert:
        features = torch.zeros(1, BERT_CHANNELS, phones.shape[1])
        if recording.features is not None:
            features = torch.from_numpy(recording.features).T[None]
    lengths = torch.tensor([phones.shape[1]]), torch.tensor([tokens.shape[1]])
    logits: Floats = network(phones, lengths[0], tokens, lengths[1], features)[0, PROMPT:].numpy()
    return logits


def _acoustic_error(
    bundle: Bundle, components: Components, recordings: Sequence[EncodedRecording]
) -> AcousticError:
    decoder = open_acoustic(bundle, _CPU)
    synthesize = _synthesize if isinstance(decoder, VitsDecoder) else _synthesize_after_prompt
    found = np.concatenate([synthesize(decoder, each) for each in recordings])
    if isinstance(decoder, VitsDecoder):
        peer: VitsDecoder | FlowDecoder = _float_vits(components, decoder)
    else:
        assert isinstance(decoder, FlowDecoder)
        peer = _float_flow(components, decoder)
    del decoder
    gc.collect()
    expected = np.concatenate([synthesize(peer, each) for each in recordings])
    _check(found, components.acoustic.path)
    rate = bundle.manifest.sample_rate
    return AcousticError(
        signal_to_noise=round(min(_MAX_SIGNAL_TO_NOISE, signal_to_noise(expected, found)), 1),
        log_mel=_digits(log_mel_distance(expected, found, rate)),
        seconds=round(len(expected) / rate, 1),
    )


def _synthesize(decoder: Any, recording: EncodedRecording) -> Floats:
    request = UtteranceRequest(recording.phones, Conditioning(recording.timbre))
    return np.concatenate([*decoder.synthesize(request, TimedTokens(recording.tokens))])


def _synthesize_after_prompt(decoder: Any, recording: EncodedRecording) -> Floats:
    """The second that follows the prompt."""
    assert recording.mel is not None
    known = recording.mel[:, : int(2 * PROMPT * decoder.shape.mel_rate)]
    voice = Conditioning(recording.timbre, recording.tokens[:PROMPT], recording.phones, mel=known)
    request = UtteranceRequest(recording.phones, voice, steps=_FLOW_STEPS)
    following = TimedTokens(recording.tokens[PROMPT : PROMPT + _FLOW_TOKENS])
    return np.concatenate([*decoder.synthesize(request, following)])


def _float_vits(components: Components, decoder: VitsDecoder) -> VitsDecoder:
    """The same decoder over the float32 network."""
    network = acoustic_network(read_stage_two(components))

    def latent(
        tokens: Tensor, phones: Tensor, timbre: Tensor, select: Tensor, overlap: Tensor, noise: Tensor
    ) -> Tensor:
        ge = timbre.unsqueeze(2)
        return network.latent(network.prior(tokens, phones, ge).index_select(2, select), ge, noise)

    def vocoder(latent: Tensor, timbre: Tensor) -> Tensor:
        return network.vocode(latent, timbre.unsqueeze(2))

    return VitsDecoder(
        _by_name(latent), _by_name(vocoder), network.config.hidden, decoder.shape, decoder.sample_rate
    )


def _float_flow(components: Components, decoder: FlowDecoder) -> FlowDecoder:
    """The same decoder over the float32 networks."""
    assert components.vocoder is not None
    network = mel_acoustic_network(read_stage_two(components))
    voice = vocoder_network(read_network(components.vocoder))
    estimator = network.cfm.estimator

    def features(tokens: Tensor, phones: Tensor, timbre: Tensor, places: Tensor, length: Tensor) -> Tensor:
        ge = timbre.unsqueeze(2)
        return network.features(network.prior(tokens, phones, ge), ge, places, length)

    def condition(prompt: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        return estimator.condition(prompt, features), estimator.rotation(prompt.shape[2])

    def vocoder(mel: Tensor) -> Tensor:
        sound: Tensor = voice(denormalized(mel)).squeeze(1)
        return sound

    def flow(mel: Tensor, condition: Tensor, rotation: Tensor, time: Tensor, step: Tensor) -> Tensor:
        velocity: Tensor = estimator.velocity(mel, condition, rotation, time, step)
        return velocity

    graphs = (_by_name(features), _by_name(condition), _by_name(flow), _by_name(vocoder))
    return FlowDecoder(*graphs, decoder.shape, decoder.sample_rate)


def _by_name(function: Callable[..., Tensor | tuple[Tensor, ...]]) -> Network:
    """A function of tensors, called as a graph is."""

    @torch.inference_mode()
    def run(inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        given = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in inputs.items()}
        made = function(**given)
        return [tensor.numpy() for tensor in (made if isinstance(made, tuple) else (made,))]

    return run


def _check(made: Floats, path: Path) -> None:
    """Raises CheckpointError where the output is not finite or silent."""
    if not np.isfinite(made).all() or not made.any():
        raise CheckpointError(
            f"{path} gives no numbers, or zeros only, in this precision; get the file again, or give --precision fp32"
        )


def _digits(value: float) -> float:
    """Rounded to three digits: the error differs more from voice to voice."""
    return float(f"{value:.3g}")
