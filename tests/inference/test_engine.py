"""From lines to sound: order, seeds, streaming, takes that are drawn again, memory."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers import engine_graphs as graphs
from tests.helpers.engine_models import HistoryBackend, Logits, history_logits
from tests.helpers.resident import needs_resident_size, resident_mb
from timbral.errors import TextError
from timbral.inference.acoustic.interface import AcousticDecoder
from timbral.inference.acoustic.source_filter import SourceFilterConfig, SourceFilterDecoder
from timbral.inference.alignment.durations import DurationPredictor, fitted
from timbral.inference.alignment.hmm_aligner import HmmAligner
from timbral.inference.engine import AudioChunk, SpeechEngine
from timbral.inference.guard.guard import Guard, Policy, Rate
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import derive_seed
from timbral.inference.semantic.decoder import SemanticDecoder
from timbral.inference.semantic.sampling import Sampling
from timbral.inference.semantic.sequence import TokenSequence
from timbral.inference.sessions import SessionOptions

END = graphs.VOCABULARY
RATES = {"zh": Rate(1.0, 3.0, 5.0)}


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
    return SourceFilterDecoder.open(
        graphs.latent_graph(folder / "latent.onnx", phonemes),
        graphs.vocoder_graph(folder / "vocoder.onnx", gain),
        SourceFilterConfig(
            sample_rate=graphs.RATE,
            hop=graphs.HOP,
            frames_per_token=graphs.FRAMES_PER_TOKEN,
            context_tokens=graphs.CONTEXT_TOKENS,
            chunk_tokens=16,
            timbre_size=graphs.TIMBRE,
            phonemes=phonemes,
        ),
        SessionOptions(device="cpu", threads=1),
    )


def engine(acoustic: AcousticDecoder, rule=speaks_well, rows: int = 3, retries: int = 2) -> SpeechEngine:  # type: ignore[no-untyped-def]
    runner = HistoryBackend(rows, vocabulary=END + 1, rule=rule)
    return SpeechEngine(
        SemanticDecoder(runner), acoustic, Guard(RATES, Policy(retries=retries, pause_tokens=10))
    )


def line(number: int, phones: int = 20, **more: object) -> UtteranceRequest:
    rng = np.random.default_rng(number)
    return UtteranceRequest(
        phones=rng.integers(1, 50, phones),
        timbre=rng.standard_normal(graphs.TIMBRE).astype(np.float32),
        languages={"zh": phones},
        seed=number,
        opens=True,
        **more,  # type: ignore[arg-type]
    )


def joined(pieces: list[AudioChunk]) -> dict[int, NDArray[np.float32]]:
    indices = sorted({piece.index for piece in pieces})
    return {i: np.concatenate([piece.samples for piece in pieces if piece.index == i]) for i in indices}


def test_lines_are_heard_in_order_and_reported(acoustic: AcousticDecoder) -> None:
    speech = engine(acoustic).speak(line(number, 5 + 4 * number) for number in range(6))
    pieces = list(speech)
    assert [piece.index for piece in pieces] == sorted(piece.index for piece in pieces)
    assert [piece.index for piece in pieces if piece.last] == list(range(6))
    lengths = [len(sound) for sound in joined(pieces).values()]
    assert lengths == [3 * (5 + 4 * number) * 960 for number in range(6)]
    report = speech.report
    assert (report.lines, report.retries, report.faults) == (6, 0, {})
    assert report.tokens * 960 == report.samples == sum(lengths)
    assert report.first_s is not None
    assert min(report.first_s, report.prefill_s, report.decode_s, report.acoustic_s) > 0


def test_a_line_is_the_same_sound_alone_among_others_and_in_any_batch(acoustic: AcousticDecoder) -> None:
    together = joined(list(engine(acoustic).speak([line(n, 25) for n in range(5)])))
    for number in range(5):
        (alone,) = joined(list(engine(acoustic, rows=1).speak([line(number, 25)]))).values()
        np.testing.assert_array_equal(together[number], alone)


def test_the_first_piece_needs_only_the_first_tokens(acoustic: AcousticDecoder) -> None:
    runner = HistoryBackend(4, vocabulary=END + 1, rule=speaks_well)
    speech = SpeechEngine(SemanticDecoder(runner), acoustic, Guard(RATES)).speak([line(1, 60), line(2, 60)])
    first = next(speech)
    assert len(first.samples) == 16 * 960
    assert sum(runner.steps) <= 16 + graphs.CONTEXT_TOKENS
    speech.close()


def test_lines_are_read_only_as_far_as_needed(acoustic: AcousticDecoder) -> None:
    taken = []

    def book() -> Iterator[UtteranceRequest]:
        for number in range(1000):
            taken.append(number)
            yield line(number)

    with engine(acoustic, rows=2).speak(book()) as speech:
        while next(speech).index < 3:
            pass
    assert len(taken) <= 6


def test_leaving_early_frees_the_batch(acoustic: AcousticDecoder) -> None:
    shared = engine(acoustic, rows=2)
    for number in range(5):
        with shared.speak([line(number, 60), line(number + 1, 60)]) as speech:
            next(speech)
    (expected,) = joined(list(engine(acoustic).speak([line(9)]))).values()
    (sound,) = joined(list(shared.speak([line(9)]))).values()
    np.testing.assert_array_equal(sound, expected)


def test_callers_in_threads_share_the_engine_without_crosstalk(acoustic: AcousticDecoder) -> None:
    shared = engine(acoustic, rows=3)
    results: dict[int, dict[int, NDArray[np.float32]]] = {}

    def call(caller: int) -> None:
        results[caller] = joined(list(shared.speak([line(10 * caller + n, 15) for n in range(3)])))

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    for caller in range(4):
        expected = joined(list(engine(acoustic).speak([line(10 * caller + n, 15) for n in range(3)])))
        for number, sound in expected.items():
            np.testing.assert_array_equal(results[caller][number], sound)


class StumblingRunner(HistoryBackend):
    """Goes wrong in its first takes in one way, then speaks well: what a guard is for."""

    def __init__(self, how: str, takes: int, rows: int = 1) -> None:
        self.begun = 0
        super().__init__(rows, END + 1, rule=self._speak)
        self._how, self._takes = how, takes

    def prefill(self, row, phones, features, tokens):  # type: ignore[no-untyped-def]
        self.begun += 1
        self._prompt = len(tokens) if self.begun == 1 else self._prompt
        return super().prefill(row, phones, features, tokens)

    def _speak(self, history: list[int], vocabulary: int) -> Logits:
        start = history.index(-1) + 1
        phones, spoken = start - 1, len(history) - start - self._prompt
        logits = history_logits(history, vocabulary)
        logits[END] = 500.0 if spoken >= 3 * phones else -50.0
        if self.begun > self._takes:
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


def stumbling(acoustic: AcousticDecoder, how: str, takes: int, **more: object):  # type: ignore[no-untyped-def]
    runner = StumblingRunner(how, takes)
    guard = Guard({"zh": Rate(2.0, 3.0, 4.0)}, Policy(retries=2, pause_tokens=10))
    speech = SpeechEngine(SemanticDecoder(runner), acoustic, guard).speak([told(**more)])
    pieces = list(speech)
    return np.concatenate([piece.samples for piece in pieces]), speech.report, runner, pieces


def told(**more: object) -> UtteranceRequest:
    return line(1, 30, prompt=np.arange(5, 45), prompt_phones=np.zeros(0, np.int64), **more)


@pytest.mark.parametrize("takes", [1, 2])
@pytest.mark.parametrize("how", FAULTS)
def test_a_bad_take_is_drawn_again(acoustic: AcousticDecoder, how: str, takes: int) -> None:
    sound, report, runner, _ = stumbling(acoustic, how, takes)
    assert len(sound) == 90 * 960
    assert report.retries == takes == runner.begun - 1
    assert report.faults == {FAULTS[how]: takes}
    assert report.tokens > 90


@pytest.mark.parametrize("how", FAULTS)
def test_retries_are_bounded_and_the_best_take_is_kept(acoustic: AcousticDecoder, how: str) -> None:
    sound, report, runner, pieces = stumbling(acoustic, how, 99)
    assert (report.retries, runner.begun) == (2, 3)
    assert report.faults == {FAULTS[how]: 3}
    assert pieces[-1].last
    expected = {"stops early": 12, "never ends": 130, "says the prompt": 90}
    if how == "loops":
        assert 30 <= len(sound) / 960 <= 45  # the loop itself is not heard
    else:
        assert len(sound) == expected[how] * 960


def test_greedy_speech_is_not_drawn_again(acoustic: AcousticDecoder) -> None:
    _, report, _, _ = stumbling(acoustic, "stops early", 99, sampling=Sampling(top_k=1))
    assert report.retries == 0
    assert report.faults == {"too_few": 1}


def test_a_new_take_keeps_what_has_been_heard(acoustic: AcousticDecoder) -> None:
    """A stream lets sound out before a take proves bad: the next take has to go on from it."""
    good, *_ = stumbling(acoustic, "loops", 0)
    mended, report, _, pieces = stumbling(acoustic, "loops", 1)
    assert report.retries == 1
    let_out = pieces[0].samples
    np.testing.assert_array_equal(good[: len(let_out)], let_out)
    assert not np.array_equal(good, mended)


def test_takes_are_drawn_again_alike_alone_and_among_others(acoustic: AcousticDecoder) -> None:
    """However far a batch has run ahead of the listener, a line's new takes begin at the same token."""

    def stumbles_by_chance(history: list[int], vocabulary: int) -> Logits:
        logits = speaks_well(history, vocabulary)
        spoken = history[history.index(-1) + 1 :]
        if len(spoken) >= 40 and spoken[36] % 2:
            logits[[END, 7]] = -50.0, 500.0
        return logits

    lines = [line(number, 40) for number in range(6)]
    speech = engine(acoustic, stumbles_by_chance, rows=4).speak(lines)
    together = joined(list(speech))
    alone = [engine(acoustic, stumbles_by_chance, rows=1).speak([line(n, 40)]) for n in range(6)]
    for number, single in enumerate(alone):
        (sound,) = joined(list(single)).values()
        np.testing.assert_array_equal(together[number], sound)
    assert 1 <= speech.report.retries == sum(single.report.retries for single in alone)


class Fussy(HmmAligner):
    """Likes takes whose sixth token is high."""

    def __init__(self) -> None:
        super().__init__(np.zeros((1, END), np.float32), np.zeros(60, np.int64))

    def scores(self, phones, takes):  # type: ignore[no-untyped-def]
        return np.array([take[5] if len(take) > 5 else -1.0 for take in takes], float)


def test_of_several_takes_the_clearest_good_one_is_heard(acoustic: AcousticDecoder) -> None:
    def often_stops_early(history: list[int], vocabulary: int) -> Logits:
        logits = speaks_well(history, vocabulary)
        if len(history) - 1 - history.index(-1) == 14 and history[-1] % 2:
            logits[END] = 50.0
        return logits

    def speak(rule, listener: HmmAligner | None, rows: int = 5):  # type: ignore[no-untyped-def]
        runner = HistoryBackend(rows, vocabulary=END + 1, rule=rule)
        guard = Guard(RATES, Policy(takes=5, retries=0, pause_tokens=10), listener)
        speech = SpeechEngine(SemanticDecoder(runner), acoustic, guard).speak([line(n) for n in range(4)])
        return joined(list(speech)), speech.report

    one, plain = speak(speaks_well, None)
    best, report = speak(speaks_well, Fussy())
    assert report.tokens == 5 * plain.tokens == 5 * 4 * 60
    assert any(not np.array_equal(one[n], best[n]) for n in range(4))
    again, _ = speak(speaks_well, Fussy(), rows=2)
    for number in range(4):
        np.testing.assert_array_equal(best[number], again[number])

    _, alone = speak(often_stops_early, None)
    _, chosen = speak(often_stops_early, Fussy())
    assert sum(chosen.faults.values()) < sum(alone.faults.values())


def scheduled_guard(folder: Path, retries: int = 2) -> Guard:
    """A guard whose lines are spoken in the time of a durations graph."""
    evidence = np.random.default_rng(0).standard_normal((60, END)).astype(np.float32)
    options = SessionOptions(device="cpu", threads=1)
    durations = DurationPredictor.open(
        graphs.durations_graph(folder / "durations.onnx", 60), options, pause=7
    )
    return Guard(RATES, Policy(takes=2, retries=retries), HmmAligner(evidence, np.arange(60)), durations)


def test_a_take_is_spoken_in_the_time_of_its_schedule(tmp_path: Path) -> None:
    told, guard = open_acoustic(tmp_path, phonemes=60), scheduled_guard(tmp_path)
    greedy = line(1, sampling=Sampling(temperature=0.0))
    decoder = SemanticDecoder(HistoryBackend(3, vocabulary=END + 1, rule=speaks_well))
    take = decoder.decode(
        TokenSequence(greedy.all_phones, greedy.prompt, greedy.sampling, greedy.seed, limit=90)
    )

    schedule = guard.schedule(greedy.phones)
    assert schedule is not None
    assert guard.listener is not None
    tokens = fitted(take, guard.listener.path(greedy.phones, take), schedule.places)
    stream = told.stream(greedy, derive_seed(greedy.seed, "sound"))
    pieces = [
        stream.push(token, tuple(spoken))
        for token, spoken in zip(tokens.tolist(), schedule.spoken.tolist(), strict=True)
    ]
    expected = np.concatenate([*(p for p in pieces if p is not None), *stream.finish()])

    runner = HistoryBackend(3, vocabulary=END + 1, rule=speaks_well)
    sound = joined(list(SpeechEngine(SemanticDecoder(runner), told, guard).speak([greedy])))[0]
    np.testing.assert_array_equal(sound, expected)
    assert len(sound) == len(schedule.places) * graphs.FRAMES_PER_TOKEN * graphs.HOP


def test_bad_takes_are_drawn_again_and_spoken_in_time_all_the_same(tmp_path: Path) -> None:
    def never_ends(history: list[int], vocabulary: int) -> Logits:
        logits = history_logits(history, vocabulary)
        logits[END] = -50.0
        return logits

    told, guard = open_acoustic(tmp_path, phonemes=60), scheduled_guard(tmp_path, retries=1)
    runner = HistoryBackend(3, vocabulary=END + 1, rule=never_ends)
    speech = SpeechEngine(SemanticDecoder(runner), told, guard).speak([line(1)])
    sound = joined(list(speech))[0]
    schedule = guard.schedule(line(1).phones)
    assert schedule is not None
    assert len(sound) == len(schedule.places) * graphs.FRAMES_PER_TOKEN * graphs.HOP
    assert speech.report.faults == {"too_many": 2}
    assert speech.report.retries == 1


def test_silence_is_noticed_held_back_and_reported(tmp_path: Path) -> None:
    mute = open_acoustic(tmp_path, gain=1e-6)
    speech = engine(mute, retries=1).speak([line(1, 30), line(2, 4)])
    pieces = list(speech)
    assert [piece.last for piece in pieces].count(True) == 2
    assert speech.report.retries == 2
    assert speech.report.faults == {"silence": 4}


def test_a_line_that_cannot_fit_is_a_clear_error(acoustic: AcousticDecoder) -> None:
    with pytest.raises(TextError, match="too long"):
        list(engine(acoustic).speak([line(1, 1500)]))


@needs_resident_size
def test_memory_stays_flat(acoustic: AcousticDecoder) -> None:
    shared = engine(acoustic)

    def speak(times: int) -> float:
        for number in range(times):
            list(shared.speak([line(number, 5 + number % 9)]))
        return resident_mb()

    before = speak(60)
    assert speak(240) - before < 8
