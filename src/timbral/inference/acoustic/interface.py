"""Stage two as the rest of the engine sees it: a line is opened, takes tokens, and gives sound.

What makes the sound is in a module for each kind: `source_filter` decodes windows while tokens come, `vits` and
`flow_matching` look at whole sentences.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timbral.errors import SettingError
from timbral.inference.request import UtteranceRequest

SLOWEST, FASTEST = 0.5, 2.0
"""Range of the speed factor."""

Samples = NDArray[np.float32]

Spoken = tuple[int, int]
"""The phones that the two halves of a token speak."""

Network = Callable[[Mapping[str, NDArray[Any]]], list[NDArray[Any]]]
"""An open graph, or what else takes inputs by name and gives outputs in their order."""


class AcousticStream(Protocol):
    """One utterance on its way to sound: give it tokens as they come, take pieces as they are ready."""

    @property
    def heard(self) -> int:
        """Tokens that the sound decoded so far depends on: those before it may not change any more."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens so far."""

    def push(self, token: int, spoken: Spoken | None = None) -> Samples | None:
        """Takes one token, and what it speaks where that is known; returns the next piece of sound [n] once there is one."""

    def finish(self) -> Iterator[Samples]:
        """Says that no token follows; the rest of the sound in pieces [n], decoded as they are asked for."""

    def copy(self) -> "AcousticStream":
        """The same utterance at the same place, to go another way from here."""

    def forget(self) -> None:
        """Drops the tokens that no decoded sound depends on; others may follow in their place."""


class AcousticDecoder(Protocol):
    """Graphs of one kind, shared and immutable: what an utterance remembers is in its stream."""

    @property
    def sample_rate(self) -> int:
        """Of the sound, in Hz."""

    def stream(self, line: UtteranceRequest, seed: int) -> AcousticStream:
        """A new utterance of a line, in its timbre and speed; the seed names its noise.

        Raises SettingError for a speed out of range.
        """


def check_speed(speed: float) -> None:
    """Raises SettingError for a speed out of range."""
    if not SLOWEST <= speed <= FASTEST:
        raise SettingError(f"speed is {speed}: give a factor from {SLOWEST} to {FASTEST}")


def stretched(count: int, speed: float) -> int:
    """How many frames `count` of them become: the official rounding, by which any speed but 1 gives a frame more."""
    return count if speed == 1 else int(count / speed) + 1


def check_line(line: UtteranceRequest, timbre_size: int) -> None:
    """Raises SettingError for a speed out of range, ValueError for a timbre of another length."""
    check_speed(line.speed)
    if line.timbre.shape != (timbre_size,):
        raise ValueError(f"timbre has the shape {line.timbre.shape}, not ({timbre_size},)")


class SentenceStream:
    """An utterance of graphs that look at all of its tokens, so that its sound comes when there are no more.

    Nothing is decoded before, whether or not anyone listens along: a stream and a whole utterance are the same.
    """

    def __init__(self, decode: Callable[[NDArray[np.int64]], Iterator[Samples]]) -> None:
        """decode: tokens [T], at least one, to pieces of sound [n], each made when it is asked for."""
        self._decode = decode
        self._tokens: list[int] = []
        self._heard = 0

    @property
    def heard(self) -> int:
        return self._heard

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(self._tokens)

    def push(self, token: int, spoken: Spoken | None = None) -> None:
        self._tokens.append(token)

    def finish(self) -> Iterator[Samples]:
        if self._heard == len(self._tokens):
            return iter(())
        self._heard = len(self._tokens)
        return self._decode(np.asarray(self._tokens, np.int64))

    def copy(self) -> "SentenceStream":
        twin = copy.copy(self)
        twin._tokens = list(self._tokens)
        return twin

    def forget(self) -> None:
        del self._tokens[self._heard :]
