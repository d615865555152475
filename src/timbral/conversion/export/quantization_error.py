"""Measures of quantisation error: a graph against the float32 one on the same inputs."""

import math
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from timbral.nets.spectrogram import SpectrogramConfig, linear_spectrogram, log_mel

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


class Backend(Protocol):
    """Stage one as it decodes; `timbral.inference.semantic.backend.Runner` is such a thing."""

    def prefill(self, row: int, phones: Ids, features: Floats | None, tokens: Ids) -> Floats: ...

    def step(self, tokens: Ids) -> Floats: ...


def teacher_forced(
    runner: Backend, phones: Ids, features: Floats | None, tokens: Ids, prompt: int = 0
) -> Floats:
    """Logits [T - prompt + 1, vocabulary] after the prompt and after each later token.

    phones: [P]; features: [P, d] where the model has them; tokens: [T], the first `prompt` of them at once.
    """
    logits = [runner.prefill(0, phones, features, tokens[:prompt])]
    logits += [runner.step(tokens[at : at + 1])[0].copy() for at in range(prompt, len(tokens))]
    return np.stack(logits)


def argmax_agreement(reference: Floats, other: Floats) -> float:
    """Share of rows of logits [rows, vocabulary] with the same argmax."""
    return float((reference.argmax(-1) == other.argmax(-1)).mean())


def relative_error(reference: Floats, other: Floats) -> float:
    """Length of the difference over the length of the reference."""
    exact = reference.astype(np.float64)
    return float(np.linalg.norm(other - exact) / np.linalg.norm(exact))


def signal_to_noise(reference: Floats, other: Floats) -> float:
    """Power of a waveform over that of what the other one adds to it, in dB."""
    error = relative_error(reference, other)
    return math.inf if error == 0 else -20 * math.log10(error)


def log_mel_distance(reference: Floats, other: Floats, rate: int) -> float:
    """Mean difference of two waveforms' [n] log-mel spectrograms, in dB.

    rate: of both, in Hz; n is at least a fifteenth of a second.
    """
    config = SpectrogramConfig(rate=rate)
    waves = torch.from_numpy(np.stack([reference, other]).astype(np.float32))
    mels = log_mel(linear_spectrogram(waves, config), config)
    return float((mels[0] - mels[1]).abs().mean()) * 20 / math.log(10)
