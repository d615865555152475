"""Decides which requests run together: it knows requests and batch slots, and nothing of tensors.

Running requests hold the slots 0 to n - 1 without gaps, so a batch is always one block. Waiting requests are
admitted by fair queueing: each group (one caller, say) gets every second slot while two groups wait, every
third while three do, whatever the number of requests each has brought; within a group the order of arrival
holds. The scheme is start-time fair queueing with a cost of one per request (Goyal, Vin and Cheng, 1996),
under which nobody waits for ever. Urgent requests go first: the beginning of a speech, for which somebody waits in silence.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Move:
    """Slot `source` has to become slot `target`, to close the gap that a request left."""

    source: int
    target: int


@dataclass(frozen=True)
class _Ticket(Generic[T]):
    request: T
    group: Hashable
    turn: int
    number: int
    urgent: bool


class Scheduler(Generic[T]):
    """Requests that wait and requests that run, at most `max_batch` of them together.

    Requests are told apart by identity. Not safe for threads: its owner holds a lock.
    """

    def __init__(self, max_batch: int) -> None:
        if max_batch < 1:
            raise ValueError(f"a batch of {max_batch} holds nothing")
        self.max_batch = max_batch
        self._waiting: list[_Ticket[T]] = []
        self._running: list[T] = []
        self._last_turn: dict[Hashable, int] = {}
        self._clock = 0
        self._count = 0

    @property
    def running(self) -> tuple[T, ...]:
        """Running requests; a request's index is its slot."""
        return tuple(self._running)

    @property
    def waiting(self) -> tuple[T, ...]:
        """Waiting requests, the next first."""
        return tuple(ticket.request for ticket in sorted(self._waiting, key=_by_turn))

    def submit(self, request: T, group: Hashable = None, *, urgent: bool = False) -> None:
        """Lets a request wait for a slot. urgent: before all that are not, in the order of arrival."""
        turn = max(self._clock, self._last_turn.get(group, 0)) + 1
        if not urgent:
            self._last_turn[group] = turn
        self._count += 1
        self._waiting.append(_Ticket(request, group, turn, self._count, urgent))

    def admit(self) -> list[tuple[int, T]]:
        """Gives free slots to those whose turn it is; returns the new slots with their requests."""
        admitted = []
        while self._waiting and len(self._running) < self.max_batch:
            ticket = min(self._waiting, key=_by_turn)
            self._waiting.remove(ticket)
            if not ticket.urgent:
                self._clock = max(self._clock, ticket.turn)
            admitted.append((len(self._running), ticket.request))
            self._running.append(ticket.request)
        if admitted:
            # A group whose turns have all passed is as good as a new one: forgetting it keeps memory flat.
            self._last_turn = {group: turn for group, turn in self._last_turn.items() if turn > self._clock}
        return admitted

    def release(self, request: T) -> Move | None:
        """Takes out a request, running or waiting (or neither, which is no error).

        Returns the move that keeps slots without gaps, if one is needed.
        """
        self._waiting = [ticket for ticket in self._waiting if ticket.request is not request]
        row = next((row for row, other in enumerate(self._running) if other is request), None)
        if row is None:
            return None
        last = self._running.pop()
        if row == len(self._running):
            return None
        self._running[row] = last
        return Move(len(self._running), row)


def _by_turn(ticket: _Ticket[T]) -> tuple[bool, int, int]:
    return not ticket.urgent, 0 if ticket.urgent else ticket.turn, ticket.number
