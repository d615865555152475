"""What stage two of the embedded family is fine-tuned on: recordings as the model hears them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from timbral.audio import read
from timbral.audio.resampling import resample
from timbral.data.listing import Line
from timbral.errors import AudioError, TrainingError
from timbral.nets.tiny_content import FRAMES_PER_TOKEN, ReferenceEncoder
from timbral.nets.tiny_timbre import RATE as HEARD_AT

_LONGEST = 120.0
"""Seconds of one recording."""
_SHORTEST = 0.6
_SILENT = 1e-3
_LEVEL = 0.06
"""RMS of a recording that is learned from."""
_TOKEN_RATE = 25
_LOWEST, _HIGHEST = 50.0, 700.0
"""F0 in Hz that the harmonic source is given."""


@dataclass(frozen=True)
class SourceFilterExample:
    """A recording: tokens int64 [T], F0 in Hz [4 T] carried over unvoiced stretches, voiced float [4 T], samples [960 T]."""

    tokens: Tensor
    f0: Tensor
    voiced: Tensor
    samples: Tensor

    @property
    def seconds(self) -> float:
        """Length of what has tokens."""
        return len(self.tokens) / _TOKEN_RATE


@dataclass(frozen=True)
class Heard:
    """Recordings of one speaker: examples, the mean timbre float [D], and the mean speaker embedding, a unit vector."""

    examples: tuple[SourceFilterExample, ...]
    timbre: Tensor
    speaker: Tensor


@dataclass(frozen=True)
class Drawn:
    """A sentence as stage one speaks it: tokens int64 [T], and the phones int64 [T, 2] that their halves say."""

    tokens: Tensor
    phones: Tensor


@torch.no_grad()
def hear(
    recordings: Sequence[Line],
    encoder: ReferenceEncoder,
    rate: int,
    on_progress: Callable[[str, float], None] = lambda what, share: None,
) -> tuple[Heard, list[str]]:
    """The recordings that can be used, at `rate` Hz, and what is wrong with the others. Raises TrainingError: none can be."""
    examples, timbres, weights, problems = [], [], [], []
    for number, recording in enumerate(recordings):
        on_progress("hearing", number / len(recordings))
        try:
            example, timbre = _heard(recording, encoder, rate)
        except AudioError as error:
            problems.append(str(error))
            continue
        examples.append(example)
        timbres.append(timbre)
        weights.append(float(len(example.tokens)))
    if not examples:
        raise TrainingError(f"no recording can be used; {problems[0] if problems else 'the list is empty'}")
    shares = torch.tensor(weights) / sum(weights)
    timbre = (torch.stack(timbres) * shares[:, None]).sum(0)
    size = encoder.timbre.speaker.linear.out_features
    length = torch.linalg.norm(timbres[0][:size])
    speaker = F.normalize(timbre[:size], dim=0)
    timbre[:size] = length * speaker
    return Heard(tuple(examples), timbre, speaker), problems


def _heard(recording: Line, encoder: ReferenceEncoder, rate: int) -> tuple[SourceFilterExample, Tensor]:
    samples, recorded_at = read(recording.audio, longest=_LONGEST, advice="cut it into sentences")
    level = float(np.sqrt(np.square(samples).mean())) if len(samples) else 0.0
    if level < _SILENT:
        raise AudioError(f"{recording.audio.name}: silent")
    samples = samples * np.float32(_LEVEL / level)
    low, full = resample(samples, recorded_at, HEARD_AT), resample(samples, recorded_at, rate)
    count = len(low) * _TOKEN_RATE // HEARD_AT
    if count < _SHORTEST * _TOKEN_RATE:
        raise AudioError(f"{recording.audio.name}: shorter than {_SHORTEST} s")
    heard = torch.from_numpy(low[None, : count * HEARD_AT // _TOKEN_RATE])
    logits, octaves, voicing = encoder.content(heard)
    voiced = (voicing[0] > 0).numpy()
    f0 = _carried(torch.exp2(octaves[0]).numpy(), voiced)
    kept = np.zeros(count * rate // _TOKEN_RATE, np.float32)
    kept[: len(full)] = full[: len(kept)]
    example = SourceFilterExample(
        logits.argmax(-1)[0], torch.from_numpy(f0), torch.from_numpy(voiced).float(), torch.from_numpy(kept)
    )
    return example, encoder(heard)[1][0]


def _carried(f0: NDArray[np.float32], voiced: NDArray[np.bool_]) -> NDArray[np.float32]:
    """F0 [4 T] with unvoiced stretches bridged from voiced frame to voiced frame."""
    at = np.flatnonzero(voiced)
    if len(at):
        f0 = np.exp(np.interp(np.arange(len(f0)), at, np.log(f0[at])))
    return f0.clip(_LOWEST, _HIGHEST).astype(np.float32)


def crop(example: SourceFilterExample, start: int, tokens: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """So many tokens from `start` on with what belongs to them, going on from the beginning where the recording ends."""
    at = torch.arange(start, start + tokens) % len(example.tokens)
    frames = (at[:, None] * FRAMES_PER_TOKEN + torch.arange(FRAMES_PER_TOKEN)).flatten()
    samples = example.samples.reshape(len(example.tokens), -1)[at].flatten()
    return example.tokens[at], example.f0[frames], example.voiced[frames], samples
