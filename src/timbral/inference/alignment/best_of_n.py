"""Several takes of a line at once, of which the guard keeps one.

Stage one reads its weights once for a whole batch, so eight takes cost little more than two. A single take may be heard as
it comes; of several, nothing is known before all of them have ended.
"""

from collections.abc import Callable, Hashable, Sequence

from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.semantic.sequence import Finish, TokenSequence

Choice = Callable[[Sequence[TokenSequence]], int]
"""Which of several takes that have ended is the best."""


class Audition:
    """Takes of one line, submitted at once; they differ in their draws only.

    live: whether a single take is heard as it comes, and not when it has ended.
    """

    def __init__(
        self,
        semantic: SemanticDecoder,
        takes: Sequence[TokenSequence],
        choose: Choice,
        group: Hashable,
        *,
        live: bool,
    ) -> None:
        self._semantic = semantic
        self._takes = takes
        self._choose = choose
        self._chosen = takes[0] if live and len(takes) == 1 else None
        for take in takes:
            semantic.submit(take, group)

    @property
    def spoken(self) -> tuple[int, ...]:
        """The tokens that every take began with."""
        return self._takes[0].spoken

    @property
    def tokens(self) -> list[int]:
        """Tokens of the kept take so far; only those that all began with as long as none is kept."""
        return list(self.spoken) if self._chosen is None else self._chosen.tokens

    @property
    def finished(self) -> Finish | None:
        """Why the kept take stopped, None while there is none or it runs. Raises what made a take fail."""
        for take in self._takes:
            if take.error is not None:
                raise take.error
        if self._chosen is None and all(take.finished is not None for take in self._takes):
            self._chosen = self._takes[self._choose(self._takes)]
        return self._chosen.finished if self._chosen else None

    @property
    def drawn(self) -> int:
        """Tokens that all takes have drawn."""
        return sum(len(take.tokens) - len(take.spoken) for take in self._takes)

    @property
    def prefill_s(self) -> float:
        """Seconds of all takes before their first token."""
        return sum(take.prefill_s for take in self._takes)

    @property
    def decode_s(self) -> float:
        """Seconds of their steps, by share."""
        return sum(take.decode_s for take in self._takes)

    def wait(self, known: int) -> None:
        """Returns when there are more than `known` tokens to hear, or none will come."""
        for take in self._takes:
            self._semantic.wait(take, known if take is self._chosen else take.limit)

    def cancel(self) -> None:
        """Ends the takes that still run."""
        for take in self._takes:
            self._semantic.cancel(take)
