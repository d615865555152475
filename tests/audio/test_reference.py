"""Which recordings can be cloned from, what is made of them, and what is said of the others."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.helpers.paths import DATA
from timbral.audio import read, read_reference
from timbral.audio.levels import frame_levels
from timbral.errors import AudioError

SPEECH, RATE = read(DATA / "english.flac")


def file(folder: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(folder / "in.wav", samples, rate, "FLOAT")
    return folder / "in.wav"


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE), np.float32)


def speech(seconds: float) -> np.ndarray:
    return np.tile(SPEECH, 1 + int(seconds * RATE) // len(SPEECH))[: int(seconds * RATE)]


@pytest.mark.parametrize("name", ["english.flac", "chinese.flac"])
def test_a_good_recording_is_used_as_it_is(name: str) -> None:
    reference = read_reference(DATA / name, 16_000)
    assert (reference.rate, reference.samples.dtype, reference.notes) == (16_000, np.float32, ())
    assert reference.duration == pytest.approx(soundfile.info(DATA / name).duration, abs=0.7)
    assert np.abs(reference.samples).max() < 1


@pytest.mark.parametrize("gain", [0.02, 0.2, 1.0])
def test_level_and_offset_of_the_recording_do_not_matter(tmp_path: Path, gain: float) -> None:
    expected = read_reference(DATA / "english.flac", 16_000).samples
    samples = read_reference(file(tmp_path, gain * SPEECH + 0.1), 16_000).samples
    np.testing.assert_allclose(samples, expected, atol=2e-3)


def test_rate_and_channels_do_not_matter(tmp_path: Path) -> None:
    high = read_reference(DATA / "english.flac", 48_000)
    stereo = np.stack([high.samples, 0.3 * high.samples], axis=1)
    reference = read_reference(file(tmp_path, stereo, 48_000), 16_000)
    plain = read_reference(DATA / "english.flac", 16_000)
    assert reference.duration == pytest.approx(plain.duration, abs=0.05)


def test_other_rates_are_the_same_speech(tmp_path: Path) -> None:
    high = file(tmp_path, read_reference(DATA / "english.flac", 48_000).samples, 48_000)
    reference = read_reference(high, 16_000, 32_000, 24_000, 16_000)
    assert [*reference.sounds] == [16_000, 32_000, 24_000]
    np.testing.assert_array_equal(reference.samples, read_reference(high, 16_000).samples)
    for rate, samples in reference.sounds.items():
        assert samples.dtype == np.float32
        assert len(samples) / rate == pytest.approx(reference.duration, abs=1e-3)
    levels = [frame_levels(samples, rate) for rate, samples in reference.sounds.items()]
    np.testing.assert_allclose(levels[0][50:250], levels[2][50:250], atol=3)


def test_silence_at_the_ends_is_cut(tmp_path: Path) -> None:
    padded = np.concatenate([silence(6), SPEECH, silence(6)])
    assert read_reference(file(tmp_path, padded), 16_000).duration == pytest.approx(
        len(SPEECH) / RATE, abs=0.5
    )


def test_a_click_is_not_speech(tmp_path: Path) -> None:
    clicked = np.concatenate([silence(3), SPEECH, silence(3)])
    clicked[100:110] = 0.9
    assert read_reference(file(tmp_path, clicked), 16_000).duration < 5.5


def noisy(sound: np.ndarray) -> np.ndarray:
    return sound + 0.03 * np.random.default_rng(0).standard_normal(len(sound)).astype(np.float32)


@pytest.mark.parametrize("seconds", [4, 12, 60])
def test_of_a_long_recording_the_clearest_passage_is_used(tmp_path: Path, seconds: float) -> None:
    clear = np.concatenate([silence(0.3), SPEECH, silence(0.3), SPEECH, silence(0.3)])
    long = np.concatenate([noisy(speech(seconds)), clear, noisy(speech(seconds))])
    reference = read_reference(file(tmp_path, long), 16_000)
    assert reference.cut
    assert 8 <= reference.duration <= 10
    assert "s are more than needed" in reference.notes[0]
    begin = float(reference.notes[0].partition(" s from ")[2].split()[0])
    assert seconds <= begin <= seconds + 2
    levels = frame_levels(reference.samples, 16_000)
    assert max(levels[:3].max(), levels[-3:].max()) < levels.max() - 15


def test_a_long_recording_without_pauses_is_used(tmp_path: Path) -> None:
    hum = np.tile(SPEECH[16_000:24_000], 40)
    assert 3 <= read_reference(file(tmp_path, hum), 16_000).duration <= 10


def test_a_recording_as_it_should_be_is_not_cut() -> None:
    assert not read_reference(DATA / "english.flac", 16_000).cut


def test_short_speech_gets_a_note(tmp_path: Path) -> None:
    padded = np.concatenate([silence(1), speech(2.6)])
    assert "little" in read_reference(file(tmp_path, padded), 16_000).notes[0]


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (silence(5), "silent"),
        (silence(5) + 0.3, "silent"),
        (silence(5) + 1e-4 * np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32), "silent"),
        (0.2 * np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32), "steady"),
        (np.sin(np.arange(5 * RATE, dtype=np.float32) / 9) / 2, "steady"),
        (speech(0.01), "only 0.0 s;"),
        (speech(2.9), "only 2.9 s;"),
        (np.concatenate([silence(4), speech(1.2), silence(4)]), "only 1"),
    ],
)
def test_what_cannot_be_cloned_from_is_said(tmp_path: Path, samples: np.ndarray, reason: str) -> None:
    with pytest.raises(AudioError, match=reason) as caught:
        read_reference(file(tmp_path, samples), 16_000)
    assert "\n" not in str(caught.value)


def test_distortion_and_noise_are_noted(tmp_path: Path) -> None:
    distorted = read_reference(file(tmp_path, np.clip(20 * SPEECH, -1, 1)), 16_000)
    assert any("distorted" in note for note in distorted.notes)
    noise = np.random.default_rng(0).standard_normal(len(SPEECH)).astype(np.float32)
    noisy = read_reference(file(tmp_path, SPEECH + 0.1 * noise), 16_000)
    assert any("noisy" in note for note in noisy.notes)
