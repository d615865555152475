"""Makes of a recording what a voice can be cloned from, or says in one line why that cannot be.

Silence at both ends is cut, the level is set, and what is somewhat too long is cut at a pause.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timbral.audio.levels import frame_levels
from timbral.audio.reading import Source, describe, read
from timbral.audio.resampling import resample
from timbral.errors import AudioError

SHORTEST, SHORT, LONG, LONGEST = 2.0, 3.0, 10.0, 20.0
"""Seconds of speech: refused below the first and above the last; best between the middle two. A whole recording
is to last as long as the second."""

LEVEL = -23.0
"""Level of the speech, in dB of full scale, that every reference is brought to."""

_STEP = 0.01
_SILENCE = -60.0
_STEADY = 4.0
_NOISY = 15.0
_MARGIN = 10
_FADE = 0.005
_PAUSE = 8
_LONGEST_PAUSE = 50
_ADVICE = "3 to 10 s of one person's speech are needed"
_CUT = f"{_ADVICE}, so cut a passage out"


@dataclass(frozen=True, eq=False)
class Reference:
    """Speech to clone from.

    sounds: samples float32 [n] of the same speech by rate in Hz, the rate that was asked for first in front.
    notes: what the user should know about the recording, a line each.
    """

    sounds: Mapping[int, NDArray[np.float32]]
    notes: tuple[str, ...] = ()

    @property
    def rate(self) -> int:
        """The first of the rates."""
        return next(iter(self.sounds))

    @property
    def samples(self) -> NDArray[np.float32]:
        """Samples [n] at the first rate."""
        return self.sounds[self.rate]

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


def read_reference(source: Source, rate: int, *others: int, whole: bool = False) -> Reference:
    """Reads a recording to clone from, as samples at `rate` Hz, by which it is judged and cut, and at others.

    whole: refuse what would have to be cut, because a transcript of all of it is given.
    Raises AudioError: unreadable, silent, without speech, too short, too long.
    """
    name = describe(source)
    samples, native_rate = read(source, longest=3 * LONGEST, advice=_CUT)
    if len(samples) < SHORT * native_rate:
        raise AudioError(f"{name}: only {len(samples) / native_rate:.1f} s; {_ADVICE}")
    recorded = samples - samples.mean(dtype=np.float64).astype(np.float32)
    samples = resample(recorded, native_rate, rate)
    levels = frame_levels(samples, rate, _STEP)
    floor, loud = _quiet_and_loud(levels)
    if loud <= _SILENCE:
        raise AudioError(f"{name}: silent; {_ADVICE}")
    if loud - floor < _STEADY:
        raise AudioError(f"{name}: a steady sound without speech; {_ADVICE}")
    speech = _speech_frames(levels, floor, loud)
    notes = _quality_notes(name, samples, floor, loud)
    start, end, length_note = _choose(speech, name, whole)
    sounds = {rate: samples} | {
        other: resample(recorded, native_rate, other) for other in others if other != rate
    }
    chosen = {at: sound[int(start * _STEP * at) : int(end * _STEP * at)] for at, sound in sounds.items()}
    return Reference(_set_level(chosen, levels[start:end]), (*length_note, *notes))


def _quiet_and_loud(levels: NDArray[np.float64]) -> tuple[float, float]:
    """Levels in dB below which 5 % of the frames lie, and above which 0.3 s do (5 % where that is less)."""
    if not len(levels):
        return _SILENCE, _SILENCE
    ranked = np.sort(levels)
    return float(ranked[len(ranked) // 20]), float(ranked[-max(1, min(30, len(ranked) // 20))])


def _speech_frames(levels: NDArray[np.float64], floor: float, loud: float) -> NDArray[np.bool_]:
    """Which frames [n] carry speech: well above the noise, not far below the loud ones, and not alone."""
    threshold = max(loud - 40, min(floor + 10, loud - 15))
    around = np.convolve(levels > threshold, np.ones(7), mode="same")
    speech: NDArray[np.bool_] = around >= 4
    return speech


def _choose(speech: NDArray[np.bool_], name: str, whole: bool) -> tuple[int, int, tuple[str, ...]]:
    """First and last frame to use, and what to note about it."""
    at = np.flatnonzero(speech)
    gaps = np.diff(at, prepend=at[:1])
    spoken = _STEP * (len(at) + int((gaps[(gaps > 1) & (gaps <= _LONGEST_PAUSE)] - 1).sum()))
    if spoken < SHORTEST:
        raise AudioError(f"{name}: only {spoken:.1f} s of speech; {_ADVICE}")
    start, end = max(0, int(at[0]) - _MARGIN), min(len(speech), int(at[-1]) + _MARGIN)
    seconds = (end - start) * _STEP
    if seconds > LONGEST or (whole and seconds > LONG + 0.5):
        raise AudioError(f"{name}: {seconds:.1f} s are too long; {_CUT}")
    if seconds > LONG + 0.5:
        end = _last_pause(speech, start, start + int(LONG / _STEP))
        used = (end - start) * _STEP
        return start, end, (f"{name}: {seconds:.1f} s are more than needed; its first {used:.1f} s are used",)
    if seconds < SHORT:
        return start, end, (f"{name}: {seconds:.1f} s of speech are little; 3 to 10 s sound more alike",)
    return start, end, ()


def _last_pause(speech: NDArray[np.bool_], start: int, end: int) -> int:
    """Middle of the last pause before `end` that leaves enough speech; `end` where there is none."""
    quiet = 0
    for frame in range(end, start + int(SHORT / _STEP), -1):
        quiet = 0 if speech[frame] else quiet + 1
        if quiet == _PAUSE:
            return frame + _PAUSE // 2
    return end


def _set_level(
    sounds: Mapping[int, NDArray[np.float32]], levels: NDArray[np.float64]
) -> dict[int, NDArray[np.float32]]:
    """Brings the speech to LEVEL, without clipping, and fades the ends so that a cut does not click.

    sounds: the same by rate; levels: of its frames, in dB. All get the same gain.
    """
    loud = levels[levels > np.percentile(levels, 95) - 20]
    level = 10 * np.log10(np.mean(10 ** (loud / 10)))
    peak = max(float(np.abs(samples).max()) for samples in sounds.values())
    gain = np.float32(min(10 ** ((LEVEL - level) / 20), 0.99 / max(peak, 1e-9)))
    return {rate: samples * gain * _fade(len(samples), rate) for rate, samples in sounds.items()}


def _fade(length: int, rate: int) -> NDArray[np.float32]:
    """Factors [length] that rise from 0 and fall to it."""
    fade = np.ones(length, np.float32)
    ramp = np.linspace(0, 1, min(int(_FADE * rate), length // 2), dtype=np.float32)
    fade[: len(ramp)], fade[len(fade) - len(ramp) :] = ramp, ramp[::-1]
    return fade


def _quality_notes(name: str, samples: NDArray[np.float32], floor: float, loud: float) -> list[str]:
    notes = []
    peak = float(np.abs(samples).max())
    if np.mean(np.abs(samples) > 0.98 * peak) > 0.005:
        notes.append(f"{name}: distorted by too high a recording level; a cleaner one sounds better")
    if loud - floor < _NOISY:
        notes.append(f"{name}: noisy; a recording in a quiet place sounds better")
    return notes
