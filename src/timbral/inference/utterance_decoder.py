"""One line on its way to sound: takes are watched, bad ones drawn again, good sound let out piece by piece.

Sound that has been let out cannot be taken back. So a new take begins with the tokens that such sound has
heard and draws what follows; and what is doubtful is held back: silence until sound comes after it, what
looks like the beginning of a loop, short lines and the overtime of long ones until they have ended well. All
of this holds whether or not anyone listens along, so that a stream and a whole utterance are the same sound.
"""

import time
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from timbral.errors import TextError
from timbral.inference.acoustic.interface import AcousticDecoder, Spoken
from timbral.inference.alignment.best_of_n import Audition
from timbral.inference.alignment.incremental import Hearing, InTime, WhileDrawn
from timbral.inference.guard.detectors import is_silent
from timbral.inference.guard.guard import Fault, Guard, Verdict, Watch
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import derive_seed
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.semantic.sequence import LONGEST, Finish, TokenSequence


@dataclass
class Account:
    """What one line has cost.

    attempts: how often it was begun. faults: what was wrong with takes, counted. tokens: all that were drawn.
    prefill_s, decode_s, acoustic_s: seconds in the stages; steps shared with others count by share.
    """

    attempts: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    tokens: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    acoustic_s: float = 0.0


class UtteranceDecoder:
    """The state of one line between its phones and its last sample; the first takes are submitted at once.

    done: whether the last sound is out.
    Raises TextError if the line is longer than the model can speak.
    """

    def __init__(
        self,
        line: UtteranceRequest,
        semantic: SemanticDecoder,
        acoustic: AcousticDecoder,
        guard: Guard,
        group: Hashable,
    ) -> None:
        self.account = Account()
        self.done = False
        self._line = line
        self._semantic = semantic
        self._guard = guard
        self._group = group
        self._dead_air = guard.policy.dead_air_s * acoustic.sample_rate / line.speed
        self._bounds = guard.bounds(len(line.phones), line.languages)
        self._hearing = self._heard_how()
        self._limit = self._room()
        self._let_out: list[NDArray[np.float32]] = []
        self._held: list[NDArray[np.float32]] = []
        self._audible = False
        self._quiet = 0
        self._refused: list[tuple[Verdict, tuple[int, ...]]] = []
        self._ending: Iterator[NDArray[np.float32]] | None = None
        self._settled = False
        self._stream = acoustic.stream(line, derive_seed(line.seed, "sound"))
        self._safe = self._stream.copy()
        self._begin()

    def follow(self) -> None:
        """Takes in what the running take has drawn since the last time, up to a piece that is let out; of its end, such a piece.

        Raises what made the take fail, if something did.
        """
        while not self.done and self._ending is None:
            finished = self._audition.finished  # read before the tokens: none come after it
            tokens, ended = self._audition.tokens, finished is Finish.END
            if finished and (verdict := self._hearing.overall(tokens, by_itself=ended)) is not None:
                self._refuse(verdict)
                continue
            for token, spoken in self._hearing.unheard(tokens, self._seen):
                self._seen += 1
                verdict = self._hear(token, spoken)
                if verdict is not None:
                    self._refuse(verdict)
                    break
                if self._let_out:
                    return
            else:
                if finished is None:
                    return
                self._conclude(finished)
        if self._ending is not None:
            self._hear_end(self._ending)

    def collect(self) -> list[NDArray[np.float32]]:
        """Pieces of sound [n] let out since the last time."""
        pieces, self._let_out = self._let_out, []
        return pieces

    def wait(self) -> None:
        """Returns when the running take has more to take in, or is over."""
        self._audition.wait(self._seen)

    def cancel(self) -> None:
        """Stops the running takes, if there are any."""
        self._audition.cancel()

    def _heard_how(self) -> Hearing:
        guard, phones = self._guard, self._line.phones
        schedule = guard.schedule(phones)
        if schedule is None:
            return WhileDrawn(self._new_watch)
        return InTime(
            self._new_watch, lambda tokens: guard.scheduled(phones, schedule, np.asarray(tokens, np.int64))
        )

    @property
    def _last_take(self) -> bool:
        """Whether this take is the last one, so that there is no point in stopping it early."""
        return self.account.attempts > self._guard.policy.retries or self._line.sampling.greedy

    def _room(self) -> int:
        room = self._semantic.capacity - len(self._line.all_phones) - len(self._line.prompt)
        if room < min(self._bounds.typical, LONGEST):
            raise TextError("a sentence is too long for the model: split the text into shorter ones")
        return min(self._bounds.high, LONGEST, room)

    def _begin(self) -> None:
        """Starts takes that go on from where sound has been let out."""
        line = self._line
        self._stream = self._safe.copy()
        self._stream.forget()
        self._held, self._quiet = [], 0
        self._seen = len(self._stream.tokens)
        spoken = self._hearing.begin(self._stream.tokens)
        count = 1 if line.sampling.greedy else self._guard.takes
        takes = [
            TokenSequence(
                line.all_phones,
                line.prompt,
                line.sampling,
                line.seed,
                features=line.all_features,
                spoken=spoken,
                limit=self._limit,
                take=self.account.attempts * count + number,
            )
            for number in range(count)
        ]
        self.account.attempts += 1
        self._audition = Audition(self._semantic, takes, self._best, self._group, live=self._hearing.live)

    def _new_watch(self) -> Watch:
        line = self._line
        return self._guard.watch(self._bounds, line.phones, line.prompt_phones, line.prompt)

    def _best(self, takes: Sequence[TokenSequence]) -> int:
        """The take with the least fault; of those without any, the one that says the phones best."""
        heard = [np.asarray(take.tokens, np.int64) for take in takes]
        faults = [
            self._new_watch().judge(take.tokens, by_itself=take.finished is Finish.END).score
            for take in takes
        ]
        return int(np.lexsort((-self._guard.clarity(self._line.phones, heard), np.array(faults)))[0])

    def _hear(self, token: int, spoken: Spoken | None) -> Verdict | None:
        verdict = self._hearing.push(token)
        if verdict is not None and not (self._last_take and verdict.fault is Fault.LEAK):
            return verdict
        began = time.perf_counter()
        piece = self._stream.push(token, spoken)
        self.account.acoustic_s += time.perf_counter() - began
        if piece is None:
            return None
        self._held.append(piece)
        if is_silent(piece, self._guard.policy.floor_db):
            self._quiet += len(piece)
            if self._quiet >= self._dead_air and not self._last_take:
                return self._hearing.watch.silence()
        else:
            self._quiet = 0
            if not self._hearing.watch.doubtful:
                self._release()
        return None

    def _conclude(self, finished: Finish) -> None:
        verdict = self._hearing.end(by_itself=finished is Finish.END)
        if verdict is None:
            self._ending = self._stream.finish()
        else:
            self._refuse(verdict)

    def _hear_end(self, ending: Iterator[NDArray[np.float32]]) -> None:
        """Lets out a piece of what follows the last token, decoded now; silence is held until there is sound."""
        floor = self._guard.policy.floor_db
        sounds = self._settled or self._audible or not all(is_silent(piece, floor) for piece in self._held)
        while not (sounds and self._held):
            began = time.perf_counter()
            piece = next(ending, None)
            self.account.acoustic_s += time.perf_counter() - began
            if piece is None:
                self._ending = None
                if sounds:
                    self._end()
                else:
                    self._refuse(self._hearing.watch.silence())
                return
            self._held.append(piece)
            sounds = sounds or not is_silent(piece, floor)
        self._release()

    def _refuse(self, verdict: Verdict) -> None:
        assert verdict.fault is not None
        self.account.faults[verdict.fault] += 1
        self._refused.append((verdict, self._hearing.refused(self._audition.tokens, self._seen)))
        self.cancel()
        self._add_up()
        if self._last_take:
            self._settle()
        else:
            self._begin()

    def _settle(self) -> None:
        """Makes do with the best of the refused takes that agree with what has been let out."""
        said = self._safe.tokens[: self._safe.heard]
        _, keep, tokens = min(
            (verdict.score, verdict.keep, tokens)
            for verdict, tokens in self._refused
            if self._hearing.follows(tokens, said)
        )
        self._stream = self._safe.copy()
        self._stream.forget()
        self._held = []
        began = time.perf_counter()
        for token, spoken in self._hearing.kept(tokens, keep)[len(said) :]:
            piece = self._stream.push(token, spoken)
            if piece is not None:
                self._held.append(piece)
        self.account.acoustic_s += time.perf_counter() - began
        self._ending, self._settled = self._stream.finish(), True

    def _release(self) -> None:
        self._let_out += self._held
        self._held = []
        self._audible = True
        self._safe = self._stream.copy()

    def _end(self) -> None:
        if not self._settled:  # otherwise the take was refused, and is in the account
            self._add_up()
        self._held.append(np.zeros(0, np.float32))  # what the last piece is was not known before
        self._release()
        self.done = True

    def _add_up(self) -> None:
        self.account.tokens += self._audition.drawn
        self.account.prefill_s += self._audition.prefill_s
        self.account.decode_s += self._audition.decode_s
