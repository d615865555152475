"""The watermark: found after what happens to sound, wherever the excerpt starts, and in nothing else."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import timbral
from benchmarks.attacks import EXPECTED, Attack, noise, pitch, speed, stretching
from tests.helpers.paths import DATA
from timbral.audio import Audio, create, read
from timbral.audio.resampling import resample
from timbral.audio.watermark import WatermarkEmbedder, detect_watermark
from timbral.audio.watermark.detection import (
    FALSE_ALARM,
    cell_residuals,
    false_alarm_bound,
    highest_statistic,
)
from timbral.audio.watermark.pattern import CELL, signs
from timbral.audio.writing import STDOUT, SYNTHETIC
from timbral.errors import AudioError

Samples = NDArray[np.float32]
RATE = 24_000
SECONDS = 3.0


def recording(name: str) -> Samples:
    samples, rate = read(DATA / f"{name}.flac")
    return resample(samples, rate, RATE)


def marked(samples: Samples, rate: int = RATE, key: str = "timbral") -> Samples:
    embedder = WatermarkEmbedder(rate, key)
    return np.concatenate([embedder.push(samples), embedder.finish()])


def excerpt(samples: Samples, start: float, rate: int = RATE) -> Samples:
    first = int(start * rate)
    assert len(samples) >= first + SECONDS * rate
    return samples[first : first + int(SECONDS * rate)]


@pytest.fixture(scope="session")
def synthetic() -> Samples:
    speech = timbral.load().say(
        "The harbour was quiet that evening, and only the oldest of the boats had come back.", seed=3
    )
    return speech.resample(RATE).samples


@pytest.fixture(params=["synthetic", "english", "chinese"])
def speech(request: pytest.FixtureRequest) -> Samples:
    if request.param == "synthetic":
        samples: Samples = request.getfixturevalue("synthetic")
        return samples
    return recording(request.param)


@pytest.mark.parametrize("attack", EXPECTED)
def test_three_seconds_are_enough_after(attack: str, speech: Samples) -> None:
    attacked = EXPECTED[attack](marked(speech), RATE)
    for start in (0.0, 0.417):
        assert detect_watermark(excerpt(attacked, start), RATE).found


def test_it_survives_several_attacks_in_a_row(speech: Samples) -> None:
    attacked = marked(speech)
    for name in ("resampled at 16 kHz", "white noise, 30 dB SNR", "MP3 64 kb/s", "gain -20 dB"):
        attacked = EXPECTED[name](attacked, RATE)
    assert detect_watermark(excerpt(attacked, 0.2), RATE).found


def test_nothing_is_found_in_speech_without_it(speech: Samples) -> None:
    for samples in (speech, excerpt(speech, 0.3), noise(20)(speech, RATE)):
        assert not detect_watermark(samples, RATE).found
    assert not detect_watermark(marked(speech, key="another"), RATE).found
    assert detect_watermark(marked(speech, key="another"), RATE, "another").found


def others() -> dict[str, Samples]:
    """Sounds that are no speech."""
    time = np.arange(6 * RATE) / RATE
    random = np.random.default_rng(0)
    clicks = np.zeros(6 * RATE, np.float32)
    clicks[:: int(CELL * RATE)] = 0.9
    return {
        "silence": np.zeros(6 * RATE, np.float32),
        "constant": np.full(6 * RATE, 0.5, np.float32),
        "tone": np.sin(2 * np.pi * 440 * time).astype(np.float32),
        "clicks in the rhythm of the cells": clicks,
        "noise in the rhythm of the cells": (
            random.standard_normal(6 * RATE) * (1 + np.sin(2 * np.pi / CELL * time))
        ).astype(np.float32),
    }


@pytest.mark.parametrize("name", others())
def test_nothing_is_found_in_what_is_no_speech(name: str) -> None:
    assert not detect_watermark(others()[name], RATE).found


def test_false_alarms_are_as_rare_as_they_are_said_to_be() -> None:
    """Other keys are other patterns, so each is a trial of its own."""
    residuals = cell_residuals(excerpt(recording("english"), 0.5), RATE)
    bounds = [false_alarm_bound(highest_statistic(residuals, signs(f"key {i}"))) for i in range(500)]
    for share in (0.3, 0.1, 0.03):
        assert np.mean(np.array(bounds) <= share) <= share
    assert min(bounds) > FALSE_ALARM


@given(st.lists(st.integers(0, 3_000), max_size=30))
def test_chunks_give_the_same_samples(sizes: list[int]) -> None:
    speech = recording("english")[: sum(sizes) + 500]
    embedder, parts, start = WatermarkEmbedder(RATE), [], 0
    for size in sizes:
        parts.append(embedder.push(speech[start : start + size]))
        start += size
        assert start - sum(map(len, parts)) <= 0.02 * RATE
    parts += [embedder.push(speech[start:]), embedder.finish()]
    np.testing.assert_array_equal(np.concatenate(parts), marked(speech))
    assert len(marked(speech)) == len(speech)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_any_rate_can_be_watermarked(rate: int, synthetic: Samples) -> None:
    samples = marked(resample(synthetic, RATE, rate), rate)
    assert detect_watermark(excerpt(samples, 0.9, rate), rate).found


def test_the_level_hardly_changes_and_silence_stays_silent(synthetic: Samples) -> None:
    speech = np.concatenate([synthetic, np.zeros(RATE, np.float32)])
    change = marked(speech) - speech
    assert 10 * np.log10(np.mean(speech**2) / np.mean(change**2)) > 15
    assert not marked(speech)[-RATE // 2 :].any()
    assert np.abs(marked(10 * speech)).max() <= 1


def test_a_synthetic_passage_is_found_in_a_longer_recording(synthetic: Samples) -> None:
    before = np.tile(recording("chinese"), 4)
    found = detect_watermark(np.concatenate([before, marked(synthetic), before]), RATE)
    assert found.found
    ((start, end),) = found.spans
    begun = len(before) / RATE
    assert begun - 6 <= start <= begun + 1
    assert begun + len(synthetic) / RATE - 1 <= end <= begun + len(synthetic) / RATE + 6


def test_speeches_put_together_are_found(synthetic: Samples) -> None:
    """The pattern begins anew in each of them."""
    found = detect_watermark(np.concatenate([marked(synthetic)[: int(2.7 * RATE)]] * 4), RATE)
    assert found.found
    assert found.spans[0][0] == 0


@pytest.mark.parametrize("change", [speed(0.93), stretching(1.1), pitch(2)], ids=["speed", "tempo", "pitch"])
def test_it_is_found_at_any_speed(change: Attack, synthetic: Samples) -> None:
    sample = excerpt(change(marked(synthetic), RATE), 0.2)
    assert not detect_watermark(sample, RATE).found
    found = detect_watermark(sample, RATE, any_speed=True)
    assert found.found
    assert found.spans == ((0, SECONDS),)


def test_nothing_is_found_at_any_speed_in_speech_without_it(speech: Samples) -> None:
    assert not detect_watermark(excerpt(speech, 0.2), RATE, any_speed=True).found


def test_a_snippet_is_refused(synthetic: Samples) -> None:
    with pytest.raises(AudioError, match="too short"):
        detect_watermark(synthetic[: RATE // 2], RATE)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_files_say_that_they_are_synthetic(ending: str, tmp_path: Path, synthetic: Samples) -> None:
    path = tmp_path / f"speech.{ending}"
    with create(path, RATE, SYNTHETIC) as writer:
        writer.write(synthetic)
    with soundfile.SoundFile(path) as file:
        assert file.comment == SYNTHETIC
    Audio(synthetic, RATE).save(path)
    with soundfile.SoundFile(path) as file:
        assert not file.comment


def test_speech_says_that_it_is_synthetic_wherever_it_goes(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    speech = timbral.load().say("Hello.", seed=1)
    (tmp_path / "a.wav").write_bytes(speech.to_bytes())
    speech.resample(16_000).save(tmp_path / "b.flac")
    with create(STDOUT, speech.rate, SYNTHETIC) as writer:
        writer.write(speech.samples)
    (tmp_path / "c.wav").write_bytes(capfdbinary.readouterr().out)
    for name in ("a.wav", "b.flac", "c.wav"):
        with soundfile.SoundFile(tmp_path / name) as file:
            assert file.comment == SYNTHETIC
