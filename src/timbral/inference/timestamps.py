"""When what is spoken: the times of utterances, and of their words and phones where a duration model decides them."""

from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from timbral.text import Utterance
from timbral.text.markup import without_marks

Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Timestamp:
    """A word, a phone or a subtitle, and when it is spoken: seconds from the beginning of the speech."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class SpokenUtterance:
    """An utterance and when it is spoken: seconds from the beginning of the speech to its first sound and to its last.

    text: as it was written, without marks for readings and pauses, and white space at its ends. words: of the text as it is
    said (`twenty-six` for 26): accent phrases in Japanese, characters in Chinese; with the marks between them, which are
    pauses. phones: all of them, by name.
    Both are empty where the model does not decide when a phone is spoken (v1 to v4).
    """

    text: str
    start: float
    end: float
    words: tuple[Timestamp, ...] = ()
    phones: tuple[Timestamp, ...] = ()

    def later(self, seconds: float) -> "SpokenUtterance":
        """The same after so many seconds of something else."""
        if not seconds:
            return self
        words, phones = (
            tuple(Timestamp(one.text, one.start + seconds, one.end + seconds) for one in stamps)
            for stamps in (self.words, self.phones)
        )
        return SpokenUtterance(self.text, self.start + seconds, self.end + seconds, words, phones)


def timestamps(
    utterance: Utterance, heard: tuple[float, float], borders: Seconds | None = None, origin: float = 0.0
) -> SpokenUtterance:
    """Times of an utterance.

    heard: when its first sound begins and its last one ends. borders: between its n phones, [n + 1] in seconds from `origin`.
    """
    text = without_marks(utterance.source).strip()
    if borders is None:
        return SpokenUtterance(text, *heard)
    # The silence at the ends, which the model counts to the first and last phone, has been cut off.
    times = np.round((borders + origin).clip(*heard), 3).tolist()
    phones = tuple(
        Timestamp(name, start, end)
        for name, (start, end) in zip(utterance.phones, pairwise(times), strict=True)
    )
    places = pairwise(accumulate((word.phones for word in utterance.words), initial=0))
    words = tuple(
        Timestamp(word.text, times[first], times[last])
        for word, (first, last) in zip(utterance.words, places, strict=True)
        if last > first
    )
    said = [word for word in words if is_said(word)]
    start, end = (said[0].start, said[-1].end) if said else heard
    return SpokenUtterance(text, start, end, words, phones)


def is_said(word: Timestamp) -> bool:
    """Whether something is said, so that it is not a mark."""
    return any(map(str.isalnum, word.text))
