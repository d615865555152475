"""Training examples of stage two of the embedded family: recordings with tokens and F0 of the reference
encoder.
"""

from collections.abc import Sequence
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
from timbral.nets.content_encoder import FRAMES_PER_TOKEN, TOKEN_RATE, ReferenceEncoder
from timbral.nets.timbre_encoder import RATE as ENCODER_RATE
from timbral.training.settings import SourceFilterSettings
from timbral.training.task import ProgressCallback, no_progress

_SHORTEST, _LONGEST = (SourceFilterSettings.model_fields[name].default for name in ("shortest", "longest"))
_SILENT = 1e-3
_LEVEL = 0.06
"""RMS that recordings are normalised to."""
_LOWEST, _HIGHEST = 50.0, 700.0
"""Limits of F0 in Hz."""


@dataclass(frozen=True)
class SourceFilterExample:
    """A recording: tokens int64 [T], F0 in Hz [4 T] interpolated over unvoiced frames, voiced float [4 T],
    samples [960 T].
    """

    tokens: Tensor
    f0: Tensor
    voiced: Tensor
    samples: Tensor

    @property
    def seconds(self) -> float:
        """Length of the part with tokens."""
        return len(self.tokens) / TOKEN_RATE


@dataclass(frozen=True)
class SpeakerExamples:
    """Recordings of one speaker: examples, mean timbre float [D], mean speaker embedding (a unit vector)."""

    examples: tuple[SourceFilterExample, ...]
    timbre: Tensor
    speaker: Tensor


@torch.no_grad()
def extract_examples(
    recordings: Sequence[Line],
    encoder: ReferenceEncoder,
    rate: int,
    on_progress: ProgressCallback = no_progress,
) -> tuple[SpeakerExamples, list[str]]:
    """The usable recordings at `rate` Hz, and the problems of the others. Raises TrainingError: no recording
    is usable.
    """
    examples, timbres, weights, problems = [], [], [], []
    for number, recording in enumerate(recordings):
        on_progress("extracting features", number / len(recordings))
        try:
            example, timbre = _extract(recording, encoder, rate)
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
    return SpeakerExamples(tuple(examples), timbre, speaker), problems


def _extract(recording: Line, encoder: ReferenceEncoder, rate: int) -> tuple[SourceFilterExample, Tensor]:
    samples, recorded_at = read(recording.audio, longest=_LONGEST, advice="cut it into sentences")
    level = float(np.sqrt(np.square(samples).mean())) if len(samples) else 0.0
    if level < _SILENT:
        raise AudioError(f"{recording.audio.name}: silent")
    samples = samples * np.float32(_LEVEL / level)
    low, full = resample(samples, recorded_at, ENCODER_RATE), resample(samples, recorded_at, rate)
    count = len(low) * TOKEN_RATE // ENCODER_RATE
    if count < _SHORTEST * TOKEN_RATE:
        raise AudioError(f"{recording.audio.name}: shorter than {_SHORTEST} s")
    audio = torch.from_numpy(low[None, : count * ENCODER_RATE // TOKEN_RATE])
    logits, octaves, voicing = encoder.content(audio)
    voiced = (voicing[0] > 0).numpy()
    f0 = _interpolated(torch.exp2(octaves[0]).numpy(), voiced)
    aligned = np.zeros(count * rate // TOKEN_RATE, np.float32)
    aligned[: len(full)] = full[: len(aligned)]
    example = SourceFilterExample(
        logits.argmax(-1)[0],
        torch.from_numpy(f0),
        torch.from_numpy(voiced).float(),
        torch.from_numpy(aligned),
    )
    return example, encoder(audio)[1][0]


def _interpolated(f0: NDArray[np.float32], voiced: NDArray[np.bool_]) -> NDArray[np.float32]:
    """F0 [4 T] interpolated over unvoiced frames."""
    at = np.flatnonzero(voiced)
    if len(at):
        f0 = np.exp(np.interp(np.arange(len(f0)), at, np.log(f0[at])))
    return f0.clip(_LOWEST, _HIGHEST).astype(np.float32)


def crop(example: SourceFilterExample, start: int, tokens: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tokens, F0, voiced and samples of a crop of so many tokens from `start`; a shorter recording is
    repeated.
    """
    at = torch.arange(start, start + tokens) % len(example.tokens)
    frames = (at[:, None] * FRAMES_PER_TOKEN + torch.arange(FRAMES_PER_TOKEN)).flatten()
    samples = example.samples.reshape(len(example.tokens), -1)[at].flatten()
    return example.tokens[at], example.f0[frames], example.voiced[frames], samples
