"""When each phone of a line is spoken, where a model knows that better than its stage one.

A small network reads the phones of the whole line and says how long each lasts; a schedule puts them on the grid of tokens.
What stage one draws is fitted to it: the tokens that speak a phone are repeated or left out until they last as long as it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.inference.sessions import Graph, SessionOptions

Ids = NDArray[np.int64]

ONSET = 2
"""Tokens that the first phone of a line takes at most; what it has before them is silence."""
LONGEST = 100
"""Tokens that any phone takes at most, pauses too: four seconds."""


@dataclass(frozen=True)
class Schedule:
    """When a line speaks what.

    places: which place among the line's phones each of its tokens speaks, int64 [S], in order; a phone of less than a token
    may have none. spoken: the phones that the two halves of each token speak, int64 [S, 2].
    """

    places: Ids
    spoken: Ids


class DurationPredictor:
    """Immutable, and shared by all requests."""

    def __init__(self, graph: Graph, pause: int) -> None:
        self._graph = graph
        self._pause = pause

    @classmethod
    def open(cls, path: Path, options: SessionOptions, pause: int) -> "DurationPredictor":
        """Opens a graph: phones int64 [1, n] → durations float32 [1, n], in tokens; `pause` is a phone that is silent.

        Raises BundleError if it is none.
        """
        return cls(Graph(path, ("phones",), ("durations",), options), pause)

    def schedule(self, phones: Ids) -> Schedule:
        """The schedule of a line's phones [n], one token long or more.

        Recordings begin with silence, which the graph counts as part of the first phone. If stage two were told that phone
        all the while, it would begin too early and slur; so the silence is told as a pause.
        """
        (found,) = self._graph({"phones": phones[None]})
        durations = np.nan_to_num(found[0].astype(np.float64)).clip(0, LONGEST)  # whoever made the graph
        ends = np.rint(np.cumsum(durations)).astype(np.int64)
        ends[-1] = max(1, ends[-1])
        places = np.repeat(np.arange(len(phones)), np.diff(ends, prepend=0))
        spoken = halves(phones, places)
        spoken[: max(0, ends[0] - ONSET)] = self._pause
        return Schedule(places, spoken)


def fitted(tokens: Ids, path: Ids, places: Ids) -> Ids:
    """The tokens [T], of which each speaks the phone in its place of `path` [T], in the time of `places` [S]: [S].

    A phone that no token speaks gets the token before which it should have been.
    """
    phones = np.arange(max(path[-1], places[-1]) + 1)
    first, last = np.searchsorted(path, phones), np.searchsorted(path, phones, "right")
    begins, ends = np.searchsorted(places, phones), np.searchsorted(places, phones, "right")
    spoken, wanted = (last - first)[places], (ends - begins)[places]
    within = (2 * (np.arange(len(places)) - begins[places]) + 1) * spoken // (2 * wanted)
    result: Ids = tokens[(first[places] + within).clip(max=len(tokens) - 1)]
    return result


def halves(phones: Ids, places: Ids) -> Ids:
    """The phones [S, 2] that the halves of tokens in such places [S] speak: a phone that no token has gets a second half."""
    skipped = np.append(places[1:] - places[:-1], 0) > 1
    return np.stack([phones[places], phones[places + skipped]], 1)
