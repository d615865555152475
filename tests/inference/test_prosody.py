"""What is measured of a speaker, and how far a voice follows it."""

import numpy as np
import pytest

from timbral.inference.prosody import (
    PACES,
    RANGES,
    USUAL_RANGE,
    follow,
    measured,
    pitch_range,
    timing,
    trusted,
)
from timbral.voices import Prosody

RATE = 16_000


def tone(seconds: float) -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * 150 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1e-4, round(seconds * RATE)).astype(np.float32)


def test_the_time_of_speech_is_without_its_pauses_and_ends() -> None:
    sound = np.concatenate(
        [silence(0.5), tone(1), silence(0.05), tone(1), silence(0.4), tone(0.5), silence(0.8)]
    )
    found = timing(sound, RATE)
    assert found.spoken == pytest.approx(2.55, abs=0.03)
    assert found.pauses == pytest.approx([0.4], abs=0.03)


def test_nothing_and_silence_have_a_timing() -> None:
    assert timing(np.zeros(0, np.float32), RATE).spoken == 0
    timing(np.zeros(RATE, np.float32), RATE)


def test_the_range_of_f0_ignores_octave_errors_and_the_mean() -> None:
    rng = np.random.default_rng(1)
    octaves = 0.2 * rng.standard_normal(2000)
    low, high = ((mean * 2**octaves).astype(np.float32) for mean in (100, 200))
    low[:20] *= 2
    low[50:400] = 0
    assert pitch_range([low]) == pytest.approx(0.2, abs=0.015)
    assert pitch_range([low, high]) == pytest.approx(0.2, abs=0.015)
    assert pitch_range([np.zeros(500, np.float32)]) is None


def test_a_slow_speaker_takes_longer_than_the_model() -> None:
    sound = np.concatenate([tone(1.5), silence(0.4), tone(1.5)])
    found = measured([timing(sound, RATE)], [2.9], [])
    assert found.pace == pytest.approx(1.2, abs=0.03)
    assert found.pause == pytest.approx(0.4, abs=0.03)
    assert measured([timing(sound, RATE)], [], []).pace is None


def test_a_transcript_of_something_else_is_not_trusted() -> None:
    assert trusted(3.0, 3.4) == 3.0
    assert trusted(3.0, None) == 3.0
    assert trusted(3.0, 4.6) == 4.6
    assert trusted(0.0, 4.6) == 4.6


def test_a_voice_follows_within_bounds() -> None:
    assert follow(None) == follow(Prosody()) == (1.0, 1.0, 1.0)
    pace, pauses, pitch_range = follow(Prosody(pace=1.1, pause=0.5, pitch_range=1.2 * USUAL_RANGE))
    assert pace == pytest.approx(1.1)
    assert 1 < pauses < 1.4
    assert 1 < pitch_range < 1.2
    pace, _, pitch_range = follow(Prosody(pace=3.9, pitch_range=0.0))
    assert (pace, pitch_range) == (PACES[1], RANGES[0])
