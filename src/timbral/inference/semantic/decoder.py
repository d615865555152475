"""Stage one for many requests at once: joins a scheduler, without tensors, to a backend, without requests.

There is no thread of its own: whoever waits for a token drives the batch for everyone until they have it. While somebody waits
urgently, only the sequences that are waited for go on: the others would take the cores from a first sound.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from timbral.inference.semantic.backend import Backend
from timbral.inference.semantic.scheduler import Scheduler
from timbral.inference.semantic.sequence import Finish, TokenSequence

_PATIENCE = 0.02
"""Seconds after which who waits looks whether it is cancelled."""


@dataclass(eq=False)
class _Waiter:
    """Who waits for sequences to have more than `known` tokens each. Only those with news are woken after a step."""

    sequences: Sequence[TokenSequence]
    known: int
    urgent: bool
    called: threading.Event = field(default_factory=threading.Event)

    @property
    def lacking(self) -> list[TokenSequence]:
        """Those that it still waits for."""
        return [one for one in self.sequences if len(one.tokens) <= self.known and one.finished is None]


def _never() -> bool:
    return False


class SemanticDecoder:
    """Phones to semantic tokens for any number of callers, who may be threads.

    A sequence gets the same tokens whoever else is in the batch.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._scheduler: Scheduler[TokenSequence] = Scheduler(backend.slots)
        self._lock = threading.Lock()
        self._waiters: list[_Waiter] = []
        self._driving = False

    @property
    def capacity(self) -> int:
        """Phones, prompt and tokens that one sequence may have together."""
        return self._backend.capacity

    @property
    def max_batch(self) -> int:
        """Sequences that run together."""
        return self._backend.slots

    def submit(self, sequence: TokenSequence, group: Hashable = None, *, urgent: bool = False) -> None:
        """Lets a sequence wait for its turn; turns go round between groups, after those that are urgent."""
        if sequence.positions > self.capacity:
            raise ValueError(f"a sequence of {sequence.positions} positions for a cache of {self.capacity}")
        with self._lock:
            self._scheduler.submit(sequence, group, urgent=urgent)

    def cancel(self, sequence: TokenSequence) -> None:
        """Ends a sequence that nobody wants any more; one that is over stays as it is."""
        with self._lock:
            if sequence.finished is None:
                sequence.finished = Finish.CANCELLED
            if not self._driving:
                self._sweep()

    def wait(
        self,
        sequences: Sequence[TokenSequence],
        known: int,
        cancelled: Callable[[], bool] = _never,
        *,
        urgent: bool = False,
    ) -> None:
        """Returns when each of some submitted sequences has more than `known` tokens or has finished, or when the caller is
        `cancelled`, which is asked after every step.

        urgent: sequences that nobody waits for rest meanwhile. Raises what made a sequence fail; those of other callers go on.
        """
        waiter = _Waiter(sequences, known, urgent)
        with self._lock:
            self._waiters.append(waiter)
            try:
                while waiter.lacking and not cancelled():
                    if self._driving:
                        self._sleep(waiter)
                    else:
                        self._drive()
            finally:
                self._waiters.remove(waiter)
                self._hand_over()
        for sequence in sequences:
            if sequence.error is not None:
                raise sequence.error

    def decode(self, sequence: TokenSequence) -> NDArray[np.int64]:
        """Submits a sequence and runs it to its end; all of its tokens [T]."""
        self.submit(sequence, id(sequence))
        try:
            self.wait([sequence], sequence.limit)
        finally:
            self.cancel(sequence)
        return np.asarray(sequence.tokens, np.int64)

    def _sleep(self, waiter: _Waiter) -> None:
        """Lets others drive until there is news; entered and left with the lock held."""
        waiter.called.clear()
        self._lock.release()
        try:
            waiter.called.wait(_PATIENCE)
        finally:
            self._lock.acquire()

    def _hand_over(self) -> None:
        """Wakes one who waits, where nobody drives any more."""
        if not self._driving and self._waiters:
            self._waiters[0].called.set()

    def _drive(self) -> None:
        """One step for all; entered and left with the lock held, which is free while the graphs run."""
        self._driving = True
        self._sweep()
        running, admitted = self._scheduler.running, self._scheduler.admit()
        chosen = self._chosen(running)
        self._lock.release()
        try:
            self._step(chosen)
            self._prefill(admitted, running)
        finally:
            self._lock.acquire()
            self._driving = False
            self._sweep()
            for waiter in self._waiters:
                if not waiter.lacking:
                    waiter.called.set()

    def _chosen(self, running: tuple[TokenSequence, ...]) -> dict[int, TokenSequence]:
        """The sequences that go on, by slot: all of them, or those that somebody waits for, where one of them is urgent.

        An urgent one that waits for a slot gets it sooner when all go on.
        """
        slots = {id(sequence): slot for slot, sequence in enumerate(running)}
        awaited = [id(one) for waiter in self._waiters for one in waiter.lacking]
        urgent = [id(one) for waiter in self._waiters if waiter.urgent for one in waiter.lacking]
        if not urgent or any(one not in slots for one in urgent):
            return dict(enumerate(running))
        return {slot: running[slot] for slot in sorted(slots[one] for one in awaited if one in slots)}

    def _step(self, chosen: dict[int, TokenSequence]) -> None:
        if not chosen:
            return
        began = time.perf_counter()
        running = chosen.values()
        try:
            logits = self._backend.step(np.array([*chosen]), np.array([one.tokens[-1] for one in running]))
        except Exception as error:
            # Whatever it is, it belongs to these sequences, not to the one who happens to drive.
            for sequence in running:
                sequence.fail(error)
            return
        for sequence, row in zip(running, logits, strict=True):
            if sequence.finished is None:
                try:
                    sequence.accept(row)
                except Exception as error:  # it is this sequence's alone
                    sequence.fail(error)
        share = (time.perf_counter() - began) / len(running)
        for sequence in running:
            sequence.decode_s += share

    def _prefill(self, admitted: list[tuple[int, TokenSequence]], running: tuple[TokenSequence, ...]) -> None:
        """Starts new slots; candidates of an utterance share their prefix, and so one prefill."""
        if not admitted:
            return
        prefilled: dict[Hashable, tuple[int, int, NDArray[np.float32]]] = {
            twin.prefix: (slot, len(twin.tokens) - 1, twin.first_logits)
            for slot, twin in enumerate(running)
            if twin.finished is None and twin.first_logits is not None
        }
        for slot, sequence in admitted:
            began = time.perf_counter()
            try:
                if sequence.prefix in prefilled:
                    twin_slot, steps, logits = prefilled[sequence.prefix]
                    self._backend.move(twin_slot, slot, back=steps)
                else:
                    logits = self._backend.prefill(slot, sequence.phones, sequence.features, sequence.prompt)
                    prefilled[sequence.prefix] = slot, 0, logits
                sequence.first_logits = logits
                sequence.accept(logits.copy())
            except Exception as error:
                sequence.fail(error)
            sequence.prefill_s = time.perf_counter() - began

    def _sweep(self) -> None:
        """Frees the slots and queue positions of sequences that are over."""
        for sequence in (*self._scheduler.running, *self._scheduler.waiting):
            if sequence.finished is not None:
                move = self._scheduler.release(sequence)
                if move is not None:
                    self._backend.move(move.source, move.target)
