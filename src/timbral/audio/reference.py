"""Reference recordings: silence trimmed, level set, the best passage of a long one selected."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timbral.audio.levels import frame_levels
from timbral.audio.passages import best_passage
from timbral.audio.reading import Source, describe, read
from timbral.audio.resampling import resample
from timbral.errors import AudioError

SHORTEST, SHORT, LONG = 2.0, 3.0, 10.0
"""Seconds of speech: refused below the first, best between the others. A whole recording has to last as long
as the second."""

SEARCHED = 600.0
"""Seconds from the beginning of a long recording in which the best passage is looked for."""

LEVEL = -23.0
"""Level of the speech, in dB of full scale, that every reference is brought to."""

_STEP = 0.01
_SILENCE = -60.0
_STEADY = 4.0
_NOISY = 15.0
_MARGIN = 10
_FADE = 0.005
_LONGEST_PAUSE = 50
_ADVICE = "3 to 10 s of one person's speech are needed"


@dataclass(frozen=True, eq=False)
class Reference:
    """Speech to clone from.

    sounds: samples float32 [n] of the same speech by rate in Hz, the rate that was asked for first in front.
    cut: whether there is more speech in the recording, so that a transcript of all of it does not fit.
    notes: what the user should know about the recording, a line each.
    """

    sounds: Mapping[int, NDArray[np.float32]]
    cut: bool = False
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


def read_reference(source: Source, rate: int, *others: int) -> Reference:
    """Reads a recording to clone from, as samples at `rate` Hz, by which it is judged and cut, and at others.

    Raises AudioError: unreadable, silent, without speech, too short.
    """
    name = describe(source)
    samples, native_rate = read(source, longest=SEARCHED, shortened=True)
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
    start, end = _trimmed(speech, name)
    first, last = start, end
    if (end - start) * _STEP > LONG + 0.5:
        first, last = best_passage(
            speech[start:end], levels[start:end], int(SHORT / _STEP), int(LONG / _STEP)
        )
        first, last = start + first, start + last
    notes = (*_length_note(name, start, end, first, last), *_quality_notes(name, samples, floor, loud))
    sounds = {at: samples if at == rate else resample(recorded, native_rate, at) for at in (rate, *others)}
    chosen = {at: sound[int(first * _STEP * at) : int(last * _STEP * at)] for at, sound in sounds.items()}
    return Reference(_set_level(chosen, levels[first:last]), (first, last) != (start, end), notes)


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


def _trimmed(speech: NDArray[np.bool_], name: str) -> tuple[int, int]:
    """First frame and end of all that is said, with a margin. Raises AudioError where that is too little."""
    at = np.flatnonzero(speech)
    gaps = np.diff(at, prepend=at[:1])
    spoken = _STEP * (len(at) + int((gaps[(gaps > 1) & (gaps <= _LONGEST_PAUSE)] - 1).sum()))
    if spoken < SHORTEST:
        raise AudioError(f"{name}: only {spoken:.1f} s of speech; {_ADVICE}")
    return max(0, int(at[0]) - _MARGIN), min(len(speech), int(at[-1]) + _MARGIN)


def _length_note(name: str, start: int, end: int, first: int, last: int) -> tuple[str, ...]:
    """What to say of a recording whose speech is from `start` to `end` where `first` to `last` are used."""
    seconds, used = (end - start) * _STEP, (last - first) * _STEP
    if used < seconds:
        where = f"the {used:.1f} s from {first * _STEP:.1f} s on are used"
        return (f"{name}: {seconds:.1f} s are more than needed; {where}",)
    if seconds < SHORT:
        return (f"{name}: {seconds:.1f} s of speech are little; 3 to 10 s sound more alike",)
    return ()


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
