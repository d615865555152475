"""How the takes of a line are heard: while they are drawn, or in the time of a schedule once they are over."""

from collections.abc import Callable, Sequence
from typing import Protocol

from timbral.inference.acoustic.interface import Spoken
from timbral.inference.guard.guard import Verdict, Watch

Heard = tuple[int, Spoken | None]
"""A token, and the phones that its halves speak where that is known."""


class Hearing(Protocol):
    """What becomes of one take after the other.

    live: whether a take is heard while it is drawn. watch: what follows the running take, from `begin` on.
    """

    live: bool
    watch: Watch

    def begin(self, spoken: tuple[int, ...]) -> tuple[int, ...]:
        """Begins a new take, where these tokens have been let out as sound; returns those that it has to go on from."""
        ...

    def overall(self, tokens: Sequence[int], *, by_itself: bool) -> Verdict | None:
        """The verdict on a take that is over, if it must not be heard; `by_itself` if with its end token."""
        ...

    def unheard(self, tokens: Sequence[int], seen: int) -> Sequence[Heard]:
        """What is to be heard of a take after so many tokens."""
        ...

    def push(self, token: int) -> Verdict | None:
        """Takes the next token that is heard; returns a verdict if the take need not go on."""
        ...

    def end(self, *, by_itself: bool) -> Verdict | None:
        """The verdict on a take that has been heard to its end, if it is a bad one."""
        ...

    def refused(self, tokens: Sequence[int], seen: int) -> tuple[int, ...]:
        """What of a bad take may be made do with, of which so many tokens have been heard."""
        ...

    def follows(self, tokens: Sequence[int], spoken: tuple[int, ...]) -> bool:
        """Whether a refused take can follow what has been let out."""
        ...

    def kept(self, tokens: Sequence[int], keep: int) -> Sequence[Heard]:
        """A refused take, of which so many tokens are worth hearing."""
        ...


class WhileDrawn:
    """Token by token, so that sound begins early, and a take that turns bad is stopped at once."""

    live = True
    watch: Watch

    def __init__(self, watch: Callable[[], Watch]) -> None:
        """watch: begins to watch a take."""
        self._new = watch

    def begin(self, spoken: tuple[int, ...]) -> tuple[int, ...]:
        self.watch = self._new()
        for token in spoken:
            self.watch.push(token)
        return spoken

    def overall(self, tokens: Sequence[int], *, by_itself: bool) -> Verdict | None:
        return None

    def unheard(self, tokens: Sequence[int], seen: int) -> Sequence[Heard]:
        return [(token, None) for token in tokens[seen:]]

    def push(self, token: int) -> Verdict | None:
        return self.watch.push(token)

    def end(self, *, by_itself: bool) -> Verdict | None:
        verdict = self.watch.end(by_itself=by_itself)
        return verdict if verdict.fault else None

    def refused(self, tokens: Sequence[int], seen: int) -> tuple[int, ...]:
        return tuple(tokens[:seen])

    def follows(self, tokens: Sequence[int], spoken: tuple[int, ...]) -> bool:
        return tuple(tokens[: len(spoken)]) == spoken

    def kept(self, tokens: Sequence[int], keep: int) -> Sequence[Heard]:
        return [(token, None) for token in tokens[:keep]]


class InTime:
    """As a whole, fitted to a schedule. What has been let out stays in its place of that, so any other take can follow it."""

    live = False
    watch: Watch

    def __init__(self, watch: Callable[[], Watch], fit: Callable[[Sequence[int]], Sequence[Heard]]) -> None:
        """watch: begins to watch a take. fit: brings one in time."""
        self._new, self._fit = watch, fit
        self._fitted: Sequence[Heard] = ()

    def begin(self, spoken: tuple[int, ...]) -> tuple[int, ...]:
        self.watch = self._new()
        self._fitted = ()
        return ()

    def overall(self, tokens: Sequence[int], *, by_itself: bool) -> Verdict | None:
        if self._fitted:
            return None
        verdict = self._new().judge(tokens, by_itself=by_itself)
        if verdict.fault:
            return verdict
        self._fitted = self._fit(tokens)
        return None

    def unheard(self, tokens: Sequence[int], seen: int) -> Sequence[Heard]:
        return self._fitted[seen:]

    def push(self, token: int) -> Verdict | None:
        return None

    def end(self, *, by_itself: bool) -> Verdict | None:
        return None

    def refused(self, tokens: Sequence[int], seen: int) -> tuple[int, ...]:
        return tuple(tokens)

    def follows(self, tokens: Sequence[int], spoken: tuple[int, ...]) -> bool:
        return True

    def kept(self, tokens: Sequence[int], keep: int) -> Sequence[Heard]:
        return self._fit(tokens)
