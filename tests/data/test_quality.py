"""Measures of clips: good recordings pass, and each way of being bad is found and named."""

import numpy as np
import pytest
import soxr

from tests.helpers.data_sounds import RATE, pause, speech
from timbral.data.cleaning import clean_transcript
from timbral.data.denoising import RATE as DENOISING_RATE
from timbral.data.denoising import DeepFilter
from timbral.data.loudness import loudness, set_loudness
from timbral.data.quality import Thresholds, count_phones, measure, sound_faults, text_faults
from timbral.data.transcription import Transcript
from timbral.errors import SettingError

ALLOWED = Thresholds()
WORDS = {
    "english": ("en", "Well, what can't be done by main courage and war must be done by circumvention."),
    "chinese": ("zh", "美国并没有统一的全国高中联赛"),
}


def noise(sound: np.ndarray, decibels: float) -> np.ndarray:
    level = np.sqrt(np.mean(sound**2)) * 10 ** (decibels / 20)
    return (level * np.random.default_rng(1).standard_normal(len(sound))).astype(np.float32)


def resampled(sound: np.ndarray) -> np.ndarray:
    """As a recording at another rate arrives, with samples above the level at which it was clipped."""
    return soxr.resample(soxr.resample(sound, RATE, 44_100), 44_100, RATE).astype(np.float32)


def faults(name: str, text: str | None = None, **heard: float) -> list[str]:
    language, words = WORDS[name]
    transcript = Transcript(words if text is None else text, language, **heard)
    cleaned = clean_transcript(transcript.text, language)
    sound = measure(speech(name), RATE)
    return text_faults(transcript, cleaned, count_phones(cleaned.text, language), sound, ALLOWED)


@pytest.mark.parametrize("name", WORDS)
def test_good_recordings_are_kept(name: str) -> None:
    sound = measure(speech(name), RATE)
    assert sound_faults(sound, ALLOWED) == []
    assert 0.5 * sound.seconds < sound.speech <= sound.seconds
    assert faults(name, confidence=-0.3, silence=0.1) == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda sound: np.clip(sound, -0.3 * sound.max(), 0.3 * sound.max()), "clipping"),
        (lambda sound: resampled(np.clip(sound, -0.3 * sound.max(), 0.3 * sound.max())), "clipping"),
        (lambda sound: sound + noise(sound, -5), "noisy"),
        (lambda sound: sound[RATE : RATE + RATE * 9 // 10], "too short"),
        (lambda sound: sound * np.float32(1e-3), "too quiet"),
        (lambda sound: np.tile(sound, 4), "too long"),
        (lambda sound: noise(sound, 0), "nobody speaks"),
        (lambda sound: pause(3), "nobody speaks"),
    ],
)
def test_bad_sound_is_named(spoil, reason: str) -> None:
    found = sound_faults(measure(spoil(speech("english")), RATE), ALLOWED)
    assert any(reason in fault for fault in found), found


@pytest.mark.parametrize(
    ("text", "heard", "reason"),
    [
        ("", {}, "nothing was understood"),
        ("?!", {}, "nothing was understood"),
        (None, {"confidence": -1.4}, "hardly understood"),
        (None, {"confidence": -1.4, "silence": 0.9}, "probably nobody speaks"),
        ("Thank you.", {"silence": 0.9}, "probably nobody speaks"),
        ("Subtitles by the community", {}, "made up"),
        ("and so on and so on and so on and so on and so on", {}, "repeats itself"),
        ("Well.", {}, "too few words"),
        (
            " ".join([WORDS["english"][1]] * 2) + " and some more of it, which nobody said at all",
            {},
            "too many words",
        ),
    ],
)
def test_texts_that_do_not_fit_are_named(text: str | None, heard: dict[str, float], reason: str) -> None:
    found = faults("english", text, **heard)
    assert any(reason in fault for fault in found), found


def test_a_language_that_no_model_speaks_is_named() -> None:
    transcript = Transcript("Добрый день", "en", foreign="ru")
    sound = measure(speech("english"), RATE)
    assert "ru" in text_faults(transcript, clean_transcript("Добрый день", "en"), 8, sound, ALLOWED)[0]


def test_thresholds_that_make_no_sense_are_refused() -> None:
    for values in ({"shortest": 9.0, "longest": 3.0}, {"longest": 60.0}, {"noise": float("nan")}):
        with pytest.raises(SettingError):
            Thresholds(**values)


@pytest.mark.parametrize("gain", [0.01, 1.0])
def test_clips_get_the_same_loudness_and_never_clip(gain: float) -> None:
    sound = speech("english") * np.float32(gain)
    for target in (-23.0, -6.0):
        levelled = set_loudness(sound, loudness(sound, RATE), target)
        assert np.abs(levelled).max() < 1
        if target == -23.0:
            assert loudness(levelled, RATE) == pytest.approx(target, abs=0.1)
    assert not set_loudness(pause(1) * 0, loudness(pause(1) * 0, RATE), -23.0).any()


def test_noise_is_removed_and_the_speech_stays_where_it_was() -> None:
    clean = np.concatenate([np.zeros(DENOISING_RATE, np.float32), speech("english", DENOISING_RATE)])
    noisy = clean + noise(clean, -12)
    results = []
    for size in (7_001, len(noisy)):
        with DeepFilter() as filtered:
            blocks = [noisy[i : i + size] for i in range(0, len(noisy), size)]
            results.append(np.concatenate(list(filtered.suppress(blocks))))
    np.testing.assert_array_equal(*results)
    better = results[0]
    assert better.shape == noisy.shape
    silent = slice(DENOISING_RATE // 4, DENOISING_RATE * 3 // 4)
    assert np.std(better[silent]) < 0.12 * np.std(noisy[silent])
    assert np.corrcoef(better, clean)[0, 1] > 0.95
    assert np.mean((better - clean) ** 2) < 0.5 * np.mean((noisy - clean) ** 2)
