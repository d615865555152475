"""Measures of one waveform against another."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from timbral.audio.measures import (
    active_level,
    log_mel,
    log_mel_distance,
    relative_error,
    signal_to_noise,
    warped_log_mel_distance,
)
from timbral.nets.spectrogram import TIMBRE, linear_spectrogram
from timbral.nets.spectrogram import log_mel as torch_log_mel

RATE = 32_000


def tones(seconds: float, stretch: float = 1.0) -> NDArray[np.float32]:
    """A melody of a second, and of `stretch` seconds where it is stretched without another pitch."""
    time = np.arange(int(seconds * stretch * RATE)) / RATE
    pitch = 220 * 2 ** (np.floor(time / stretch * 8) % 5 / 4)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    return (0.2 * np.sin(phase) + 0.1 * np.sin(2 * phase)).astype(np.float32)


def test_the_spectrogram_is_that_of_the_official_networks() -> None:
    sound = tones(1.0) + np.random.default_rng(0).normal(0, 0.01, RATE).astype(np.float32)
    linear = linear_spectrogram(torch.from_numpy(sound)[None], TIMBRE)
    expected = torch_log_mel(linear, TIMBRE)[0].numpy().T * (20 / np.log(10))
    found = log_mel(sound, RATE)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 0.01


def test_distances() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert log_mel_distance(sound, sound, RATE) == 0
    assert log_mel_distance(sound, sound * 2, RATE) == pytest.approx(6.02, abs=0.01)
    assert relative_error(sound, sound * 1.1) == pytest.approx(0.1, rel=1e-3)
    assert signal_to_noise(sound, sound * 1.1) == pytest.approx(20, abs=0.01)


def test_warping_follows_another_tempo() -> None:
    sound, slower = tones(1.0), tones(1.0, stretch=1.25)
    other = sound[::-1].copy()
    assert warped_log_mel_distance(sound, sound, RATE) == 0
    assert warped_log_mel_distance(sound, slower, RATE) < 0.5 * warped_log_mel_distance(sound, other, RATE)


@pytest.mark.parametrize(("first", "second"), [(0.05, 1.0), (2.0, 0.3)])
def test_warping_takes_any_lengths(first: float, second: float) -> None:
    assert np.isfinite(warped_log_mel_distance(tones(first), tones(second), RATE))


def test_level_leaves_pauses_out() -> None:
    sound = tones(1.0)
    paused = np.concatenate([sound, np.zeros(3 * RATE, np.float32)])
    assert active_level(paused, RATE) == pytest.approx(active_level(sound, RATE), abs=0.2)
    assert active_level(np.zeros(RATE, np.float32), RATE) == -120
    assert active_level(np.zeros(0, np.float32), RATE) == -120
