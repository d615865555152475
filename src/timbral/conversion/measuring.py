"""What a model has lost to its precision: both stages beside their float32 networks, on voices that calibration has not heard.

The recordings are heard by the model itself, so that both sides are given the same: stage one is told, token by token, what was
said, and stage two says it again. Sound is compared as a whole, with the noise of one seed.
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
from timbral.conversion.components import Parts, read_again, read_stage_two
from timbral.conversion.export.quantization_error import (
    argmax_agreement,
    log_mel_distance,
    relative_error,
    signal_to_noise,
    teacher_forced,
)
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
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle
from timbral.models.manifest import SYMBOLS, AcousticLoss, Losses, SemanticLoss
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
"""File, language, and what is said; sources and licences lie beside them."""
QUIETEST = 120.0
"""dB: the rounding of float32 itself is near."""
PROMPT = 25
"""Tokens that stage one reads at once, and v3 and v4 go on from: a second."""
LEAST_AGREEMENT, MOST_LOG_MEL = 0.97, 1.0
"""A listener may notice less agreement of tokens, or spectra that differ by more dB, the least step of level that is heard."""
FLOW_TOKENS, FLOW_STEPS = 25, 4
"""What v3 and v4 say of a recording, and how finely: a step for a second of sound takes seconds."""
_CPU = SessionOptions(device="cpu")

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Heard:
    """A recording as the model hears it: tokens [T], phones [P], features [P, d], timbre [D], mel [bands, R]."""

    tokens: Ids
    phones: Ids
    features: Floats | None
    timbre: Floats
    mel: Floats | None


def measure(bundle: Bundle, parts: Parts) -> Losses:
    """What `bundle` has lost against the checkpoints that it was made of."""
    heard = _listen(bundle)
    gc.collect()
    semantic = _semantic_loss(bundle, parts, heard)
    gc.collect()
    return Losses(semantic=semantic, acoustic=_acoustic_loss(bundle, parts, heard), voices=len(heard))


def is_noticeable(losses: Losses) -> bool:
    """Whether a model has lost so much that it may be heard."""
    return losses.semantic.agreement < LEAST_AGREEMENT or losses.acoustic.log_mel > MOST_LOG_MEL


def _listen(bundle: Bundle) -> list[Heard]:
    """The recordings, each in its own timbre."""
    references = ReferenceEncoder.open(bundle, _CPU)
    found = []
    for name, _, _ in HELD_OUT:
        path = Path(__file__).with_name("recordings") / name
        sounds = read_reference(path, *references.rates).sounds
        found.append((references.tokens(sounds), references.timbre([sounds]), references.mel(sounds)))
    del references
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TimbralWarning)  # whoever imports without BERT has been told
        reader = Frontend.open(bundle, _CPU)
    heard = []
    for (_, language, text), (tokens, timbre, mel) in zip(HELD_OUT, found, strict=True):
        utterance = reader.transcript(text, language)
        heard.append(Heard(tokens, utterance.ids, reader.features(utterance), timbre, mel))
    return heard


def _semantic_loss(bundle: Bundle, parts: Parts, heard: Sequence[Heard]) -> SemanticLoss:
    runner = open_backend(
        bundle.path("semantic_prefill.onnx"),
        bundle.path("semantic_step.onnx"),
        _CPU,
        slots=1,
        capacity=bundle.manifest.semantic.capacity,
    )
    found = [teacher_forced(runner, one.phones, one.features, one.tokens, PROMPT) for one in heard]
    del runner
    network = semantic_network(read_again(parts.semantic), SYMBOLS[symbols_of(parts.version)])
    expected = [_logits(network, one) for one in heard]
    reference, other = np.concatenate(expected), np.concatenate(found)
    _check(other, parts.semantic.path)
    return SemanticLoss(
        agreement=_digits(argmax_agreement(reference, other)),
        error=_digits(relative_error(reference, other)),
        places=len(reference),
    )


@torch.inference_mode()
def _logits(network: SemanticTransformer, heard: Heard) -> Floats:
    """What `teacher_forced` gives, of the float32 network."""
    phones, tokens = torch.from_numpy(heard.phones)[None], torch.from_numpy(heard.tokens)[None]
    features = None
    if network.config.bert:
        features = torch.zeros(1, BERT_CHANNELS, phones.shape[1])
        if heard.features is not None:
            features = torch.from_numpy(heard.features).T[None]
    lengths = torch.tensor([phones.shape[1]]), torch.tensor([tokens.shape[1]])
    logits: Floats = network(phones, lengths[0], tokens, lengths[1], features)[0, PROMPT:].numpy()
    return logits


def _acoustic_loss(bundle: Bundle, parts: Parts, heard: Sequence[Heard]) -> AcousticLoss:
    decoder = open_acoustic(bundle, _CPU)
    say = _say_whole if isinstance(decoder, VitsDecoder) else _say_after_prompt
    found = np.concatenate([say(decoder, one) for one in heard])
    if isinstance(decoder, VitsDecoder):
        peer: VitsDecoder | FlowDecoder = _float_vits(parts, decoder)
    else:
        assert isinstance(decoder, FlowDecoder)
        peer = _float_flow(parts, decoder)
    del decoder
    gc.collect()
    expected = np.concatenate([say(peer, one) for one in heard])
    _check(found, parts.acoustic.path)
    rate = bundle.manifest.sample_rate
    return AcousticLoss(
        signal_to_noise=round(min(QUIETEST, signal_to_noise(expected, found)), 1),
        log_mel=_digits(log_mel_distance(expected, found, rate)),
        seconds=round(len(expected) / rate, 1),
    )


def _say_whole(decoder: Any, heard: Heard) -> Floats:
    request = UtteranceRequest(heard.phones, Conditioning(heard.timbre))
    return np.concatenate([*decoder.synthesize(request, TimedTokens(heard.tokens))])


def _say_after_prompt(decoder: Any, heard: Heard) -> Floats:
    """The second that follows the first one."""
    assert heard.mel is not None
    known = heard.mel[:, : int(2 * PROMPT * decoder.shape.mel_rate)]
    voice = Conditioning(heard.timbre, heard.tokens[:PROMPT], heard.phones, mel=known)
    request = UtteranceRequest(heard.phones, voice, steps=FLOW_STEPS)
    following = TimedTokens(heard.tokens[PROMPT : PROMPT + FLOW_TOKENS])
    return np.concatenate([*decoder.synthesize(request, following)])


def _float_vits(parts: Parts, decoder: VitsDecoder) -> VitsDecoder:
    """The same decoder over the float32 network."""
    network = acoustic_network(read_stage_two(parts))

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


def _float_flow(parts: Parts, decoder: FlowDecoder) -> FlowDecoder:
    """The same decoder over the float32 networks."""
    assert parts.vocoder is not None
    network = mel_acoustic_network(read_stage_two(parts))
    voice = vocoder_network(read_again(parts.vocoder))
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

    said, known, going = _by_name(features), _by_name(condition), _by_name(flow)
    return FlowDecoder(said, known, going, _by_name(vocoder), decoder.shape, decoder.sample_rate)


def _by_name(function: Callable[..., Tensor | tuple[Tensor, ...]]) -> Network:
    """A function of tensors, called as a graph is."""

    @torch.inference_mode()
    def run(inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        given = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in inputs.items()}
        made = function(**given)
        return [tensor.numpy() for tensor in (made if isinstance(made, tuple) else (made,))]

    return run


def _check(made: Floats, path: Path) -> None:
    """Raises CheckpointError where a network has not said anything: its weights are broken, or beyond what 16 bits hold."""
    if not np.isfinite(made).all() or not made.any():
        raise CheckpointError(
            f"{path} gives no numbers, or zeros only, in this precision; get the file again, or give --precision fp32"
        )


def _digits(value: float) -> float:
    """Three digits: more would say nothing of other voices."""
    return float(f"{value:.3g}")
