"""Joins the chunks of sentences: pauses of the length that is asked for, and smooth edges.

Models begin and end a sentence with silence of their own, up to half a second. Between sentences it is replaced by the pause,
so that the pause is what is heard from the last sound of one sentence to the first of the next.
"""

import numpy as np
from numpy.typing import NDArray

from timbral.audio.levels import frame_levels

Samples = NDArray[np.float32]

FADE = 0.005
"""Seconds over which a sentence's first and last samples rise and fall."""
BEFORE, AFTER = 0.04, 0.06
"""Seconds that are kept before the first and after the last sound, for soft onsets and for what dies away."""

_FRAME = 0.005
"""Seconds of a frame whose level is measured."""
_RANGE = 40.0
"""dB below the loudest frame so far at which a frame is silent."""
_SOUND = -45.0
"""Level in dB of full scale that only speech has, and no silence of a model."""
_LOOK = 40
"""Frames after the first of that level, by which the loudness of a sentence is known."""


def fade_edges(samples: Samples, rate: int) -> Samples:
    """Samples [n] whose first and last FADE seconds rise from and fall to zero."""
    return _Fades(rate).apply(samples, 0, len(samples))


class Joiner:
    """Takes the chunks of one sentence after the other and returns final samples.

    A text begins with the silence of its first sentence, unless there is a pause before it. What may be the silence at the end
    of a sentence is kept back until there is more sound. The samples are the same however a sentence was cut into pieces.
    """

    def __init__(self, rate: int, resumed: float | None = None) -> None:
        """resumed: seconds of the pause after the sentence that another joiner ended with, if there was one."""
        self._rate = rate
        self._pause = resumed
        self._kept = 0 if resumed is None else round(AFTER * rate)
        self._sentence: _Sentence | None = None
        self._given = self._origin = self._first = 0

    @property
    def origin(self) -> float:
        """Seconds from the beginning to where the samples of the last sentence begin, with the silence that was cut off."""
        return self._origin / self._rate

    @property
    def heard(self) -> tuple[float, float]:
        """Seconds from the beginning to the first sound and the last of the last sentence, once it is over."""
        return self._first / self._rate, max(self._first, self._given - self._kept) / self._rate

    def pause(self, seconds: float) -> None:
        """Replaces the pause before the next sentence."""
        self._pause = seconds

    def push(self, samples: Samples, *, last: bool, pause: float) -> Samples:
        """Takes the next samples [n] of a sentence, `last` if it ends here, and the pause after it in s.

        Returns samples [m] that are final.
        """
        if self._sentence is None:
            self._sentence = _Sentence(self._rate, trimmed=self._pause is not None)
            self._place(self._sentence, 0)
        sentence = self._sentence
        begun = sentence.start is not None
        sound = sentence.push(samples, last=last)
        if not begun and sentence.start is not None and self._pause is not None:
            silence = max(0, round(self._pause * self._rate) - self._kept - sentence.before)
            sound = np.concatenate([np.zeros(silence, np.float32), sound])
            self._place(sentence, silence)
        if last:
            self._sentence, self._pause, self._kept = None, pause, round(AFTER * self._rate)
            sound = np.concatenate([sound, np.zeros(self._kept - sentence.after, np.float32)])
        self._given += len(sound)
        return sound

    def _place(self, sentence: "_Sentence", silence: int) -> None:
        """Notes where a sentence begins, after what has been given and so many samples of silence."""
        start = sentence.start or 0
        self._origin = self._given + silence - start
        self._first = self._given + silence + sentence.before


class _Sentence:
    """One sentence, without the silence at its end and, if `trimmed`, at its beginning.

    start: its first sample that is kept, None while it is not known. before, after: samples that are kept before the first
    sound and, at the end, after the last.
    """

    def __init__(self, rate: int, *, trimmed: bool) -> None:
        self.start: int | None = None if trimmed else 0
        self.before = self.after = 0
        self._rate = rate
        self._frame = int(_FRAME * rate)
        self._fades = _Fades(rate)
        self._levels = np.zeros(0)
        self._known = np.zeros(0, np.float32)
        self._given = 0

    def push(self, samples: Samples, *, last: bool) -> Samples:
        """Takes the next samples and returns those of which it is certain that they are kept."""
        measured = len(self._levels) * self._frame - self._given
        self._known = np.concatenate([self._known, samples])
        self._levels = np.concatenate(
            [self._levels, frame_levels(self._known[measured:], self._rate, _FRAME)]
        )
        if self.start is None:
            self._find_start(last)
        if self.start is None:
            return np.zeros(0, np.float32)
        end = self._end(last)
        until = end if last else max(self._given, end - self._fades.length)
        sound = self._fades.apply(
            self._known[: until - self._given], self._given - self.start, end - self.start if last else None
        )
        self._known = self._known[until - self._given :]
        self._given = until
        return sound

    def _find_start(self, last: bool) -> None:
        loud = np.flatnonzero(self._levels > _SOUND)
        if not len(loud):
            self.start = 0 if last else None
        elif last or len(self._levels) >= loud[0] + _LOOK:
            seen = self._levels[: loud[0] + _LOOK]
            onset = int(np.argmax(seen > seen.max() - _RANGE)) * self._frame
            self.start = max(0, onset - round(BEFORE * self._rate))
            self.before = onset - self.start
        if self.start is not None:
            self._known, self._given = self._known[self.start - self._given :], self.start

    def _end(self, last: bool) -> int:
        """The sample up to which there is sound so far, with what is kept after it."""
        loudest = np.maximum.accumulate(self._levels)
        audible = np.flatnonzero(self._levels > loudest - _RANGE)
        sounds = (int(audible[-1]) + 1) * self._frame if len(audible) else 0
        length = self._given + len(self._known) if last else len(self._levels) * self._frame
        end = min(length, sounds + round(AFTER * self._rate))
        self.after = max(0, end - sounds)
        return max(end, self._given)


class _Fades:
    """Rises and falls of a sentence."""

    def __init__(self, rate: int) -> None:
        self._rise = np.linspace(0, 1, int(FADE * rate), dtype=np.float32)

    @property
    def length(self) -> int:
        return len(self._rise)

    def apply(self, samples: Samples, place: int, end: int | None) -> Samples:
        """Samples [n] from `place` on of a sentence that ends at `end`, which they reach, or later."""
        samples = samples.copy()
        rising = self._rise[place : place + len(samples)]
        samples[: len(rising)] *= rising
        if end is not None:
            falling = self._rise[::-1][-len(samples) :] if len(samples) else self._rise[:0]
            samples[len(samples) - len(falling) :] *= falling
        return samples
