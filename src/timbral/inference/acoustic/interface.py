"""Stage two as the rest of the engine sees it: tokens of an utterance to samples, in chunks.

Each kind has a module: `source_filter` decodes in windows of tokens; `vits` and `flow_matching` read all tokens at once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timbral.inference.request import UtteranceRequest

Samples = NDArray[np.float32]

Network = Callable[[Mapping[str, NDArray[Any]]], list[NDArray[Any]]]
"""An open graph, or what else maps inputs by name to outputs in order."""


def engine_of(network: object) -> str:
    """What runs a network, as far as it says so."""
    return str(getattr(network, "engine", "unknown"))


@dataclass(frozen=True, eq=False)
class TimedTokens:
    """Semantic tokens int64 [T], and the phones int64 [T, 2] that the two halves of each speak, where these are known."""

    tokens: NDArray[np.int64]
    phones: NDArray[np.int64] | None = None


class AcousticDecoder(Protocol):
    """Stage two of one kind: graphs, shared and immutable."""

    @property
    def sample_rate(self) -> int:
        """Of the samples, in Hz."""

    @property
    def engine(self) -> str:
        """What runs the network that takes most of the time."""

    def opening(self, request: UtteranceRequest) -> int:
        """How many tokens at the beginning of an utterance its first chunk depends on; 0 for all of them."""

    def synthesize(self, request: UtteranceRequest, timed: TimedTokens) -> Iterator[Samples]:
        """Samples float32 [n] of all tokens of an utterance, in chunks that are computed when they are asked for.

        The cuts between chunks depend on the request alone, so that the samples do not depend on who listens. Tokens after
        those of `opening` are read when the second chunk is asked for.
        """


def stretched(count: int, speed: float) -> int:
    """Frame count after time-stretching, rounded as GPT-SoVITS does: any speed but 1 adds a frame."""
    return count if speed == 1 else int(count / speed) + 1


def timbre_of(request: UtteranceRequest, size: int) -> Samples:
    """The timbre [1, D] of a request. Raises ValueError where it has another length."""
    timbre = request.voice.timbre
    if timbre.shape != (size,):
        raise ValueError(f"timbre has the shape {timbre.shape}, not ({size},)")
    return timbre[None]
