"""Batches of stage one: a request gets its own tokens whoever joins or leaves around it."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.engine_models import HistoryBackend
from timbral.config import SamplingConfig
from timbral.errors import SynthesisError
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.semantic.sequence import Finish, TokenSequence

GREEDY = SamplingConfig(top_k=1)


def request(number: int, sampling: SamplingConfig, limit: int = 40) -> TokenSequence:
    rng = np.random.default_rng(number)
    phones = rng.integers(0, 50, 3 + number % 7)
    return TokenSequence(phones, rng.integers(0, 64, number % 5), sampling, seed=number, limit=limit)


def alone(number: int, sampling: SamplingConfig, limit: int = 40) -> list[int]:
    tokens = SemanticDecoder(HistoryBackend(1)).decode(request(number, sampling, limit))
    return [int(token) for token in tokens]


@settings(max_examples=40)
@given(
    st.integers(1, 4),
    st.sampled_from([GREEDY, SamplingConfig()]),
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 25), st.booleans(), st.booleans()),
        min_size=1,
        max_size=8,
    ),
)
def test_joining_and_leaving_changes_nobodys_tokens(
    rows: int, sampling: SamplingConfig, plans: list[tuple[int, int, bool, bool]]
) -> None:
    """Requests arrive while others run; some are given up halfway, which the others must not notice."""
    decoder = SemanticDecoder(HistoryBackend(rows))
    sequences = []
    for number, (wait, limit, _, urgent) in enumerate(plans):
        sequences.append(request(number, sampling, limit))
        decoder.submit(sequences[-1], group=number)
        decoder.wait([sequences[number // 2]], min(wait, sequences[number // 2].limit - 1), urgent=urgent)
    for (_, limit, gives_up, urgent), sequence in zip(plans, sequences, strict=True):
        decoder.wait([sequence], limit // 2 if gives_up else limit, urgent=urgent)
        if gives_up:
            decoder.cancel(sequence)
    for number, ((_, limit, gives_up, _), sequence) in enumerate(zip(plans, sequences, strict=True)):
        expected = alone(number, sampling, limit)
        if gives_up:
            assert sequence.tokens == expected[: len(sequence.tokens)]
        else:
            assert sequence.tokens == expected
            assert sequence.finished in (Finish.END, Finish.LIMIT)


def test_batches_are_used_and_bounded() -> None:
    runner = HistoryBackend(3)
    decoder = SemanticDecoder(runner)
    sequences = [request(number, GREEDY, 20) for number in range(7)]
    for sequence in sequences:
        decoder.submit(sequence)
    for sequence in sequences:
        decoder.wait([sequence], 20)
    assert max(runner.steps) == 3
    assert sum(runner.steps) < 7 * 20


def test_threads_share_a_batch_and_get_their_own_tokens() -> None:
    class Yielding(HistoryBackend):
        def step(self, slots, tokens):  # type: ignore[no-untyped-def]
            time.sleep(0.0005)  # as graphs do, lets other threads run meanwhile
            return super().step(slots, tokens)

    runner = Yielding(4)
    decoder = SemanticDecoder(runner)
    results: dict[int, list[int]] = {}
    together = threading.Barrier(6)

    def work(number: int) -> None:
        sequence = request(number, SamplingConfig(), 60)
        together.wait()
        decoder.submit(sequence, group=number)
        decoder.wait([sequence], 60)
        results[number] = sequence.tokens

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert results == {number: alone(number, SamplingConfig(), 60) for number in range(6)}
    assert max(runner.steps) > 1


def test_while_somebody_waits_urgently_what_nobody_waits_for_rests() -> None:
    runner = HistoryBackend(3)
    decoder = SemanticDecoder(runner)
    first, second, third = sequences = [request(number, GREEDY) for number in range(3)]
    for sequence in sequences:
        decoder.submit(sequence)
    decoder.wait([second], 9, urgent=True)
    assert [len(sequence.tokens) for sequence in sequences] == [1, 10, 1]
    decoder.wait([first], 4)
    assert [len(sequence.tokens) for sequence in sequences] == [5, 14, 5]
    decoder.wait(sequences, 40)
    assert [one.tokens for one in (first, second, third)] == [alone(number, GREEDY) for number in range(3)]


def test_an_urgent_sequence_without_a_slot_gets_one_as_soon_as_any_is_free() -> None:
    decoder = SemanticDecoder(HistoryBackend(1))
    long, urgent = request(0, GREEDY, 30), request(1, GREEDY)
    decoder.submit(long)
    decoder.wait([long], 0)
    decoder.submit(urgent, urgent=True)
    decoder.wait([urgent], 40, urgent=True)
    assert long.tokens == alone(0, GREEDY, 30)
    assert urgent.tokens == alone(1, GREEDY)


class Counting(HistoryBackend):
    """Notes the rows that it reads phones into."""

    def __init__(self, slots: int) -> None:
        super().__init__(slots)
        self.begun: list[int] = []

    def prefill(self, row, phones, features, tokens):  # type: ignore[no-untyped-def]
        self.begun.append(row)
        return super().prefill(row, phones, features, tokens)


def test_candidates_of_an_utterance_share_one_prefill() -> None:
    runner = Counting(4)
    decoder = SemanticDecoder(runner)
    sampled = SamplingConfig(temperature=2.0)
    candidates = [
        TokenSequence(r.phones, r.prompt, sampled, seed=5, limit=40, candidate=candidate)
        for r, candidate in [(request(1, sampled), 0), (request(1, sampled), 1), (request(2, sampled), 0)]
    ]
    for sequence in candidates:
        decoder.submit(sequence)
    for sequence in candidates:
        decoder.wait([sequence], 40)
    assert runner.begun == [0, 2]
    assert candidates[0].tokens != candidates[1].tokens
    for sequence, candidate in zip(candidates, (0, 1, 0), strict=True):
        alone = TokenSequence(
            sequence.phones, sequence.prompt, sampled, seed=5, limit=40, candidate=candidate
        )
        assert SemanticDecoder(HistoryBackend(1)).decode(alone).tolist() == sequence.tokens


def test_candidates_that_join_later_go_on_from_where_the_others_began() -> None:
    sampled, limits = SamplingConfig(temperature=2.0), (12, 40, 31, 17, 25)

    def take(number: int) -> TokenSequence:
        line = request(1, sampled)
        return TokenSequence(
            line.phones, line.prompt, sampled, seed=5, limit=limits[number], candidate=number
        )

    runner, candidates = Counting(2), [take(number) for number in range(len(limits))]
    decoder = SemanticDecoder(runner)
    for sequence in candidates:
        decoder.submit(sequence)
    for sequence in candidates:
        decoder.wait([sequence], 40)
    assert runner.begun == [0]
    for number, sequence in enumerate(candidates):
        assert SemanticDecoder(HistoryBackend(1)).decode(take(number)).tolist() == sequence.tokens


def test_a_request_that_fails_does_not_trouble_the_others() -> None:
    class Choosy(HistoryBackend):
        def prefill(self, row, phones, features, tokens):  # type: ignore[no-untyped-def]
            if len(phones) == 1:
                raise ValueError("too short for me")
            return super().prefill(row, phones, features, tokens)

    decoder = SemanticDecoder(Choosy(2))
    good = [request(number, GREEDY) for number in (1, 2)]
    bad = TokenSequence(np.zeros(1, np.int64), np.zeros(0, np.int64), GREEDY, seed=0)
    for sequence in (good[0], bad, good[1]):
        decoder.submit(sequence)
    for number, sequence in enumerate(good, 1):
        decoder.wait([sequence], 40)
        assert sequence.tokens == alone(number, GREEDY)
    with pytest.raises(ValueError, match="too short for me"):
        decoder.wait([bad], 0)


def test_a_failing_graph_reaches_the_caller_and_frees_the_batch() -> None:
    class Broken(HistoryBackend):
        def step(self, slots, tokens):  # type: ignore[no-untyped-def]
            raise RuntimeError("out of memory")

    decoder = SemanticDecoder(Broken(1))
    for _ in range(3):
        with pytest.raises(RuntimeError, match="out of memory"):
            decoder.decode(request(0, GREEDY))


def test_a_sequence_longer_than_the_cache_is_refused() -> None:
    decoder = SemanticDecoder(HistoryBackend(1, capacity=30))
    with pytest.raises(ValueError, match="positions"):
        decoder.submit(request(0, GREEDY, 40))


def test_cancelled_before_its_turn_it_never_runs() -> None:
    runner = HistoryBackend(1)
    decoder = SemanticDecoder(runner)
    first, second = request(1, GREEDY), request(2, GREEDY)
    decoder.submit(first)
    decoder.submit(second)
    decoder.cancel(second)
    decoder.wait([first], 40)
    assert second.tokens == []
    assert second.finished is Finish.CANCELLED


def test_a_sequence_that_fails_fails_alone() -> None:
    """Whatever is wrong with one sequence's logits, the others of the batch go on."""
    plain = alone(1, GREEDY)

    class Damaged(HistoryBackend):
        def step(self, slots, tokens):  # type: ignore[no-untyped-def]
            logits = super().step(slots, tokens)
            if len(tokens) > 1:
                logits[1] = np.nan
            return logits

    decoder = SemanticDecoder(Damaged(2))
    innocent, damaged = request(1, GREEDY), request(2, SamplingConfig())
    for sequence in (innocent, damaged):
        decoder.submit(sequence)
    decoder.wait([innocent], innocent.limit)
    assert innocent.tokens == plain
    assert damaged.finished is Finish.FAILED
    with pytest.raises(SynthesisError, match="finite"):
        decoder.wait([damaged], damaged.limit)
