"""From requests to samples: order, seeds, streaming, retries, memory."""

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers import engine_graphs as graphs
from tests.helpers.engine_models import HistoryBackend, Logits, history_logits
from tests.helpers.resident import needs_resident_size, steady_growth_mb
from timbral.config import SamplingConfig
from timbral.errors import SynthesisError, TextError
from timbral.inference.acoustic.interface import AcousticDecoder, TimedTokens
from timbral.inference.alignment.durations import DurationPredictor, fit
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.inference.alignment.rhythm import Rhythm
from timbral.inference.alignment.selection import CandidateSelector
from timbral.inference.engine import EngineStats, SpeechEngine
from timbral.inference.guard.checks import Guard, Policy
from timbral.inference.request import Conditioning, UtteranceRequest
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.semantic.sequence import TokenSequence
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import TokenRate

END = graphs.VOCABULARY
RATES = {"zh": TokenRate(low=1.0, typical=3.0, high=5.0)}


def speaks_well(history: list[int], vocabulary: int) -> Logits:
    """Three tokens a phone, then the end."""
    phones = history.index(-1)
    logits = history_logits(history, vocabulary)
    logits[END] = 50.0 if len(history) - 1 - phones >= 3 * phones else -50.0
    return logits


@pytest.fixture(scope="module")
def acoustic(tmp_path_factory: pytest.TempPathFactory) -> AcousticDecoder:
    return open_acoustic(tmp_path_factory.mktemp("graphs"))


def open_acoustic(folder: Path, gain: float = 1.0, phonemes: int = 0) -> AcousticDecoder:
    return graphs.open_source_filter(
        graphs.latent_graph(folder / "latent.onnx", phonemes),
        graphs.vocoder_graph(folder / "vocoder.onnx", gain),
        graphs.source_filter().model_copy(update={"phones": phonemes > 0}),
        phonemes,
    )


def engine(acoustic: AcousticDecoder, rule=speaks_well, rows: int = 3, retries: int = 2) -> SpeechEngine:  # type: ignore[no-untyped-def]
    runner = HistoryBackend(rows, vocabulary=END + 1, rule=rule)
    return SpeechEngine(
        SemanticDecoder(runner), acoustic, Guard(RATES, Policy(retries=retries, pause_tokens=10))
    )


def request(number: int, phones: int = 20, prompt: int = 0, **more: object) -> UtteranceRequest:
    rng = np.random.default_rng(number)
    return UtteranceRequest(
        phones=rng.integers(1, 50, phones),
        voice=Conditioning(
            rng.standard_normal(graphs.TIMBRE).astype(np.float32), np.arange(5, 5 + prompt, dtype=np.int64)
        ),
        languages={"zh": phones},
        seed=number,
        opens=True,
        **more,  # type: ignore[arg-type]
    )


class Spoken:
    """What an engine makes of requests, and its cost."""

    def __init__(self, engine: SpeechEngine, requests: Iterable[UtteranceRequest]) -> None:
        self.stats = EngineStats()
        self.chunks = list(engine.speak(requests, self.stats))

    @property
    def utterances(self) -> list[NDArray[np.float32]]:
        """The samples of each utterance, in the order of their chunks."""
        ends = [number for number, chunk in enumerate(self.chunks, 1) if chunk.last]
        return [
            np.concatenate([chunk.samples for chunk in self.chunks[start:end]])
            for start, end in pairwise([0, *ends])
        ]


def test_utterances_are_heard_in_order_and_counted(acoustic: AcousticDecoder) -> None:
    requests = [request(number, 5 + 4 * number) for number in range(6)]
    spoken = Spoken(engine(acoustic), iter(requests))
    assert [chunk.request for chunk in spoken.chunks if chunk.last] == requests
    lengths = [len(samples) for samples in spoken.utterances]
    assert lengths == [3 * (5 + 4 * number) * 960 for number in range(6)]
    stats = spoken.stats
    assert (stats.utterances, stats.retries, stats.faults, stats.silent) == (6, 0, {}, 0)
    assert stats.tokens * 960 == sum(lengths)
    assert stats.first_s is not None
    assert min(stats.first_s, stats.prefill_s, stats.decode_s, stats.acoustic_s) > 0


def test_an_utterance_is_the_same_samples_alone_and_in_any_batch(acoustic: AcousticDecoder) -> None:
    together = Spoken(engine(acoustic), [request(n, 25) for n in range(5)]).utterances
    for number in range(5):
        (alone,) = Spoken(engine(acoustic, rows=1), [request(number, 25)]).utterances
        np.testing.assert_array_equal(together[number], alone)


def test_the_first_utterance_is_decoded_alone_and_its_first_chunk_is_short(acoustic: AcousticDecoder) -> None:
    backend = HistoryBackend(4, vocabulary=END + 1, rule=speaks_well)
    engine = SpeechEngine(SemanticDecoder(backend), acoustic, Guard(RATES))
    chunks = engine.speak([request(1, 60), request(2, 60)], EngineStats())
    assert len(next(chunks).samples) == 8 * 960
    assert set(backend.steps) == {1}
    chunks.close()


def test_requests_are_read_only_as_far_as_needed(acoustic: AcousticDecoder) -> None:
    taken: list[UtteranceRequest] = []

    def book() -> Iterator[UtteranceRequest]:
        for number in range(1000):
            taken.append(request(number))
            yield taken[-1]

    chunks = engine(acoustic, rows=2).speak(book(), EngineStats())
    while next(chunks).request is not taken[min(3, len(taken) - 1)] or len(taken) < 4:
        pass
    chunks.close()
    assert len(taken) <= 6


def test_leaving_early_frees_the_batch(acoustic: AcousticDecoder) -> None:
    shared = engine(acoustic, rows=2)
    for number in range(5):
        chunks = shared.speak([request(number, 60), request(number + 1, 60)], EngineStats())
        next(chunks)
        chunks.close()
    (expected,) = Spoken(engine(acoustic), [request(9)]).utterances
    (samples,) = Spoken(shared, [request(9)]).utterances
    np.testing.assert_array_equal(samples, expected)


def test_callers_in_threads_share_the_engine_without_crosstalk(acoustic: AcousticDecoder) -> None:
    shared = engine(acoustic, rows=3)
    results: dict[int, list[NDArray[np.float32]]] = {}

    def requests(caller: int) -> list[UtteranceRequest]:
        return [request(10 * caller + n, 15) for n in range(3)]

    def call(caller: int) -> None:
        results[caller] = Spoken(shared, requests(caller)).utterances

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    for caller in range(4):
        expected = Spoken(engine(acoustic), requests(caller)).utterances
        for samples, alone in zip(results[caller], expected, strict=True):
            np.testing.assert_array_equal(samples, alone)


class StumblingBackend(HistoryBackend):
    """Goes wrong in its first candidates in one way, then speaks well."""

    def __init__(self, how: str, attempts: int, rows: int = 1) -> None:
        self.begun = 0
        super().__init__(rows, END + 1, rule=self._speak)
        self._how, self._attempts = how, attempts

    def prefill(self, row, phones, features, tokens):  # type: ignore[no-untyped-def]
        self.begun += 1
        self._prompt = len(tokens) if self.begun == 1 else self._prompt
        return super().prefill(row, phones, features, tokens)

    def _speak(self, history: list[int], vocabulary: int) -> Logits:
        start = history.index(-1) + 1
        phones, spoken = start - 1, len(history) - start - self._prompt
        logits = history_logits(history, vocabulary)
        logits[END] = 500.0 if spoken >= 3 * phones else -50.0
        if self.begun > self._attempts:
            return logits
        if self._how == "stops early" and spoken >= 12:
            logits[END] = 500.0
        elif self._how == "never ends":
            logits[END] = -50.0
        elif self._how == "loops" and spoken >= 30:
            logits[[END, 7]] = -50.0, 500.0
        elif self._how == "says the prompt" and spoken < self._prompt:
            logits[history[start + spoken % self._prompt]] = 500.0
        return logits


FAULTS = {
    "stops early": "too_few",
    "never ends": "too_many",
    "loops": "loop",
    "says the prompt": "leak",
}


def stumbling(acoustic: AcousticDecoder, how: str, attempts: int, **more: object) -> tuple[Spoken, int]:
    """An utterance of 30 phones with a prompt of 40 tokens, and how many candidates were sampled."""
    backend = StumblingBackend(how, attempts)
    guard = Guard({"zh": TokenRate(low=2.0, typical=3.0, high=4.0)}, Policy(retries=2, pause_tokens=10))
    spoken = Spoken(
        SpeechEngine(SemanticDecoder(backend), acoustic, guard), [request(1, 30, prompt=40, **more)]
    )
    return spoken, backend.begun


@pytest.mark.parametrize("attempts", [1, 2])
@pytest.mark.parametrize("how", FAULTS)
def test_bad_candidates_are_sampled_again(acoustic: AcousticDecoder, how: str, attempts: int) -> None:
    spoken, begun = stumbling(acoustic, how, attempts)
    assert len(spoken.utterances[0]) == 90 * 960
    assert spoken.stats.retries == attempts == begun - 1
    assert spoken.stats.faults == {FAULTS[how]: attempts}
    assert spoken.stats.tokens > 90


@pytest.mark.parametrize("how", FAULTS)
def test_retries_are_bounded_and_the_best_candidate_is_used(acoustic: AcousticDecoder, how: str) -> None:
    spoken, begun = stumbling(acoustic, how, 99)
    assert (spoken.stats.retries, begun) == (2, 3)
    assert spoken.stats.faults == {FAULTS[how]: 3}
    tokens = len(spoken.utterances[0]) / 960
    if how == "loops":
        assert 30 <= tokens <= 45  # the loop itself is not spoken
    else:
        assert tokens == {"stops early": 12, "never ends": 130, "says the prompt": 90}[how]


def test_greedy_speech_is_not_sampled_again(acoustic: AcousticDecoder) -> None:
    spoken, _ = stumbling(acoustic, "stops early", 99, sampling=SamplingConfig(top_k=1))
    assert spoken.stats.retries == 0
    assert spoken.stats.faults == {"too_few": 1}


def test_retries_are_the_same_alone_and_among_others(acoustic: AcousticDecoder) -> None:
    """However far a batch has run ahead of its caller, a candidate is stopped at the same token."""

    def stumbles_by_chance(history: list[int], vocabulary: int) -> Logits:
        logits = speaks_well(history, vocabulary)
        spoken = history[history.index(-1) + 1 :]
        if len(spoken) >= 40 and spoken[36] % 2:
            logits[[END, 7]] = -50.0, 500.0
        return logits

    together = Spoken(engine(acoustic, stumbles_by_chance, rows=4), [request(n, 40) for n in range(6)])
    alone = [Spoken(engine(acoustic, stumbles_by_chance, rows=1), [request(n, 40)]) for n in range(6)]
    for samples, single in zip(together.utterances, alone, strict=True):
        np.testing.assert_array_equal(samples, single.utterances[0])
    assert 1 <= together.stats.retries == sum(single.stats.retries for single in alone)


class Fussy(HmmAligner):
    """Likes takes whose sixth token is high."""

    def __init__(self) -> None:
        super().__init__(np.zeros((1, END), np.float32), np.zeros(60, np.int64))

    def scores(self, phones, takes):  # type: ignore[no-untyped-def]
        return np.array([take[5] if len(take) > 5 else -1.0 for take in takes], float)


def test_of_several_candidates_the_best_aligned_good_one_is_used(acoustic: AcousticDecoder) -> None:
    def often_stops_early(history: list[int], vocabulary: int) -> Logits:
        logits = speaks_well(history, vocabulary)
        if len(history) - 1 - history.index(-1) == 14 and history[-1] % 2:
            logits[END] = 50.0
        return logits

    def speak(rule: Callable[[list[int], int], Logits], aligner: HmmAligner | None, rows: int = 5) -> Spoken:
        backend = HistoryBackend(rows, vocabulary=END + 1, rule=rule)
        guard, selector = (
            Guard(RATES, Policy(retries=0, pause_tokens=10)),
            CandidateSelector(aligner, None, 5),
        )
        engine = SpeechEngine(SemanticDecoder(backend), acoustic, guard, selector)
        return Spoken(engine, [request(n) for n in range(4)])

    one, best = speak(speaks_well, None), speak(speaks_well, Fussy())
    assert best.stats.tokens == 5 * one.stats.tokens == 5 * 4 * 60
    assert any(not np.array_equal(a, b) for a, b in zip(one.utterances, best.utterances, strict=True))
    again = speak(speaks_well, Fussy(), rows=2)
    for samples, same in zip(best.utterances, again.utterances, strict=True):
        np.testing.assert_array_equal(samples, same)

    alone, chosen = speak(often_stops_early, None), speak(often_stops_early, Fussy())
    assert sum(chosen.stats.faults.values()) < sum(alone.stats.faults.values())


def selector_with_durations(folder: Path) -> CandidateSelector:
    """Times tokens by a durations graph."""
    ratios = np.random.default_rng(0).standard_normal((60, END)).astype(np.float32)
    path = graphs.durations_graph(folder / "durations.onnx", 60)
    graph = Graph(path, ("phones",), ("durations",), SessionOptions(device="cpu", threads=1))
    return CandidateSelector(HmmAligner(ratios, np.arange(60)), DurationPredictor(graph, pause=7))


def test_tokens_are_spoken_in_the_time_of_their_schedule(tmp_path: Path) -> None:
    acoustic, selector = open_acoustic(tmp_path, phonemes=60), selector_with_durations(tmp_path)
    greedy = request(1, sampling=SamplingConfig(temperature=0.0))
    decoder = SemanticDecoder(HistoryBackend(3, vocabulary=END + 1, rule=speaks_well))
    tokens = decoder.decode(
        TokenSequence(greedy.all_phones, greedy.voice.prompt_tokens, greedy.sampling, greedy.seed, limit=90)
    )
    schedule = selector.schedule(greedy.phones, rhythm=Rhythm(seed=greedy.seed))
    assert schedule is not None
    assert selector.aligner is not None
    fitted = fit(tokens, selector.aligner.path(greedy.phones, tokens), schedule.positions)
    expected = np.concatenate([*acoustic.synthesize(greedy, TimedTokens(fitted, schedule.phones))])

    backend = HistoryBackend(3, vocabulary=END + 1, rule=speaks_well)
    engine = SpeechEngine(SemanticDecoder(backend), acoustic, Guard(RATES), selector)
    (samples,) = Spoken(engine, [greedy]).utterances
    np.testing.assert_array_equal(samples, expected)
    assert len(samples) == len(schedule.positions) * graphs.FRAMES_PER_TOKEN * graphs.HOP


def test_rejected_candidates_are_spoken_in_time_all_the_same(tmp_path: Path) -> None:
    def never_ends(history: list[int], vocabulary: int) -> Logits:
        logits = history_logits(history, vocabulary)
        logits[END] = -50.0
        return logits

    acoustic, selector = open_acoustic(tmp_path, phonemes=60), selector_with_durations(tmp_path)
    backend = HistoryBackend(3, vocabulary=END + 1, rule=never_ends)
    engine = SpeechEngine(SemanticDecoder(backend), acoustic, Guard(RATES, Policy(retries=1)), selector)
    spoken = Spoken(engine, [request(1)])
    schedule = selector.schedule(request(1).phones, rhythm=Rhythm(seed=request(1).seed))
    assert schedule is not None
    assert len(spoken.utterances[0]) == len(schedule.positions) * graphs.FRAMES_PER_TOKEN * graphs.HOP
    assert spoken.stats.faults == {"too_many": 2}
    assert spoken.stats.retries == 1


def test_silence_is_noticed_and_counted(tmp_path: Path) -> None:
    mute = open_acoustic(tmp_path, gain=1e-6)
    spoken = Spoken(engine(mute, retries=1), [request(1, 30), request(2, 4)])
    assert [chunk.last for chunk in spoken.chunks].count(True) == 2
    assert (spoken.stats.retries, spoken.stats.silent) == (2, 2)
    assert spoken.stats.faults == {"silence": 4}


def test_samples_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    overflowing = open_acoustic(tmp_path, gain=float("nan"))
    with pytest.raises(SynthesisError, match="not finite"):
        Spoken(engine(overflowing), [request(1, 30)])


def test_an_utterance_that_cannot_fit_is_a_clear_error(acoustic: AcousticDecoder) -> None:
    with pytest.raises(TextError, match="too long"):
        Spoken(engine(acoustic), [request(1, 1500)])


@needs_resident_size
def test_memory_stays_flat(acoustic: AcousticDecoder) -> None:
    shared = engine(acoustic)

    def speak() -> None:
        for number in range(100):
            Spoken(shared, [request(number, 5 + number % 9)])

    assert steady_growth_mb(speak) < 2
