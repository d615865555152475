"""Quality of clips: measurements, and the reasons to leave one out."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.audio.levels import frame_levels
from timbral.audio.resampling import resample
from timbral.data import vad
from timbral.data.cleaning import Cleaned
from timbral.data.loudness import loudness
from timbral.data.transcription import Transcript
from timbral.errors import SettingError, TextError
from timbral.text import to_phones

_QUIETEST = 0.05
_LEVELS, _BAND, _LOWEST = 200, 8, 60
"""Steps of level up to the peak, and how many of them clipped samples are spread over; lower ones are not
looked at."""
_PAUSES = frozenset(",.!?…-")
_SILENT = -99.0


@dataclass(frozen=True)
class SoundMeasures:
    """Measurements of a clip.

    seconds: length. speech: seconds in which somebody speaks. loudness: LUFS. noise: dB from the quietest
    frames between its first word and its last up to its speech. clipped: share of samples at the level at
    which it was clipped.
    """

    seconds: float
    speech: float
    loudness: float
    noise: float
    clipped: float


@dataclass(frozen=True)
class Thresholds:
    """Limits of usable clips.

    Lengths in seconds; noise in dB below the speech; rates in phones a second of speech; confidence as the
    logarithm of the words' mean probability."""

    shortest: float = 1.0
    longest: float = 15.0
    least_speech: float = 0.4
    quietest: float = -55.0
    noise: float = 10.0
    clipped: float = 0.01
    slowest: float = 3.0
    fastest: float = 28.0
    confidence: float = -1.0
    silence: float = 0.6

    def __post_init__(self) -> None:
        for field in fields(self):
            if not np.isfinite(getattr(self, field.name)):
                raise SettingError(f"{field.name}: a number is needed")
        if not 0 < self.shortest < self.longest <= 30:
            raise SettingError(
                "clips: 0 < shortest < longest <= 30 s is needed; recognisers hear 30 s at a time"
            )
        if self.slowest >= self.fastest:
            raise SettingError("clips: the slowest speech has to be slower than the fastest")


def measure(samples: NDArray[np.float32], rate: int) -> SoundMeasures:
    """Looks at samples [n] of a clip as it was recorded."""
    peak = float(np.abs(samples).max(initial=0.0))
    # The detector is used to speech of ordinary loudness.
    loud = samples / np.float32(peak or 1.0)
    speaking = vad.speech_probabilities(resample(loud, rate, vad.RATE)) >= vad.SPEECH
    level = loudness(samples, rate)
    return SoundMeasures(
        seconds=round(len(samples) / rate, 3),
        speech=round(float(speaking.sum()) * vad.FRAME / vad.RATE, 2),
        loudness=round(level, 1) if np.isfinite(level) else _SILENT,
        noise=round(_noise(samples, rate, speaking), 1),
        clipped=round(_clipped(samples, peak), 5) if peak else 0.0,
    )


def _noise(samples: NDArray[np.float32], rate: int, speaking: NDArray[np.bool_]) -> float:
    """dB by which the speech is above the quietest frames between its first word and its last.

    What lies around it does not count: music may begin with the speech, and editors put digital silence
    there.
    """
    levels = frame_levels(samples, rate)
    if not len(levels):
        return 0.0
    at = np.minimum(np.arange(len(levels)) * 0.01 * vad.RATE / vad.FRAME, len(speaking) - 1).astype(int)
    spoken = np.flatnonzero(speaking[at])
    if len(spoken):
        speech, around = levels[spoken], levels[spoken[0] : spoken[-1] + 1]
    else:
        speech = around = levels
    return float(10 * np.log10(np.mean(10 ** (speech / 10))) - np.quantile(around, _QUIETEST))


def _clipped(samples: NDArray[np.float32], peak: float) -> float:
    """Share of samples [n] that pile up at one level.

    The louder, the fewer samples speech has; clipped ones all lie at one level, around which resamplers and
    codecs spread them, so that only a few are at the very peak.
    """
    counts, _ = np.histogram(np.abs(samples), bins=_LEVELS, range=(0.0, peak))
    share = np.concatenate([[0.0], np.cumsum(counts)]) / len(samples)
    tops = np.arange(_LOWEST, _LEVELS + 1)
    within, below = share[tops] - share[tops - _BAND], share[tops - _BAND] - share[tops - 2 * _BAND]
    return max(0.0, float((within - below).max()))


def count_phones(text: str, language: str) -> int | None:
    """Phones of a text, without pauses; None where it has none that can be spoken."""
    try:
        spoken = to_phones(text, language or "auto")
    except TextError:
        return None
    return sum(phone not in _PAUSES for segment in spoken.segments for phone in segment.phones)


def sound_faults(sound: SoundMeasures, allowed: Thresholds) -> list[str]:
    """Why a clip cannot be used whatever is said in it, in a few words each; empty for a good one."""
    if sound.speech < allowed.least_speech:
        return ["nobody speaks in it"]
    faults = []
    if sound.seconds < allowed.shortest:
        faults.append(f"too short, {sound.seconds:.1f} s")
    if sound.seconds > allowed.longest + 0.5:
        faults.append(f"too long, {sound.seconds:.1f} s")
    if sound.loudness < allowed.quietest:
        faults.append(f"too quiet, {sound.loudness:.0f} LUFS")
    return faults + blemishes(sound, allowed)


def blemishes(sound: SoundMeasures, allowed: Thresholds) -> list[str]:
    """Which faults a clip has that it can be used with where there is nothing better."""
    faults = []
    if sound.noise < allowed.noise:
        faults.append(f"noisy, the noise is only {sound.noise:.0f} dB below the speech")
    if sound.clipped > allowed.clipped:
        faults.append(f"distorted by clipping, {100 * sound.clipped:.1f} % of its samples are cut off")
    return faults


def text_faults(
    transcript: Transcript, cleaned: Cleaned, phones: int | None, sound: SoundMeasures, allowed: Thresholds
) -> list[str]:
    """Why what was understood does not fit the sound; empty where it does."""
    if transcript.foreign:
        return [f"in a language that no model speaks ({transcript.foreign})"]
    if not cleaned.text or not phones:
        return ["nothing was understood"]
    if cleaned.made_up:
        return ["the transcript is made up, as recognisers do where nobody speaks clearly"]
    faults = []
    if cleaned.looped:
        faults.append("the transcript repeats itself")
    unsure = transcript.confidence < allowed.confidence
    if unsure:
        faults.append(f"hardly understood, confidence {transcript.confidence:.2f}")
    if transcript.silence > allowed.silence and (unsure or cleaned.doubtful):
        faults.append(f"probably nobody speaks ({100 * transcript.silence:.0f} %)")
    rate = phones / max(sound.speech, 0.1)
    if rate > allowed.fastest:
        faults.append(f"too many words for its length, {rate:.0f} phones a second")
    if rate < allowed.slowest:
        faults.append(f"too few words for its length, {rate:.1f} phones a second")
    return faults


def to_record(sound: SoundMeasures) -> dict[str, float]:
    """The measures as JSON holds them."""
    return asdict(sound)


def from_record(record: dict[str, Any]) -> SoundMeasures:
    """The measures out of JSON."""
    return SoundMeasures(**{field.name: float(record[field.name]) for field in fields(SoundMeasures)})
