"""The first chunk of a speech is heard while its tokens are still sampled, and the samples do not depend on it."""

import numpy as np
import pytest

from tests.helpers import engine_graphs as graphs
from tests.helpers.engine_models import HistoryBackend, Logits
from tests.inference.test_engine import (
    END,
    RATES,
    Spoken,
    open_acoustic,
    request,
    selector_with_durations,
    speaks_well,
)
from timbral.inference.acoustic.interface import AcousticDecoder
from timbral.inference.alignment.selection import CandidateSelector
from timbral.inference.engine import EngineStats, SpeechEngine
from timbral.inference.guard.checks import Guard, Policy
from timbral.inference.semantic.decoder import SemanticDecoder

PHONES = 40
FIRST_CHUNK = 8 * graphs.FRAMES_PER_TOKEN * graphs.HOP


@pytest.fixture(scope="module")
def acoustic(tmp_path_factory: pytest.TempPathFactory) -> AcousticDecoder:
    return open_acoustic(tmp_path_factory.mktemp("acoustic"), phonemes=60)


@pytest.fixture(scope="module")
def selector(tmp_path_factory: pytest.TempPathFactory) -> CandidateSelector:
    return selector_with_durations(tmp_path_factory.mktemp("durations"))


def engine(acoustic: AcousticDecoder, selector: CandidateSelector, rule=speaks_well, rows: int = 3):  # type: ignore[no-untyped-def]
    backend = HistoryBackend(rows, vocabulary=END + 1, rule=rule)
    guard = Guard(RATES, Policy(retries=2, pause_tokens=10))
    return SpeechEngine(SemanticDecoder(backend), acoustic, guard, selector), backend


def test_the_first_chunk_does_not_wait_for_the_last_token(
    acoustic: AcousticDecoder, selector: CandidateSelector
) -> None:
    speaking, backend = engine(acoustic, selector)
    chunks = speaking.speak([request(1, PHONES)], EngineStats())
    assert len(next(chunks).samples) == FIRST_CHUNK
    assert len(backend.steps) < 2 * PHONES
    rest = sum(len(chunk.samples) for chunk in chunks)
    assert len(backend.steps) == 3 * PHONES
    schedule = selector.schedule(request(1, PHONES).phones)
    assert schedule is not None
    assert FIRST_CHUNK + rest == pytest.approx(len(schedule.positions) * 960, rel=0.3)


def test_when_it_is_decided_does_not_change_the_samples(
    acoustic: AcousticDecoder, selector: CandidateSelector
) -> None:
    """Alone it is decided as the tokens come; in company others drive stage one, so that it may be over before."""
    requests = [request(number, PHONES) for number in range(4)]
    alone = [Spoken(engine(acoustic, selector)[0], [one]).utterances[0] for one in requests]
    speaking, backend = engine(acoustic, selector, rows=8)
    late = speaking.speak([requests[0]], EngineStats())
    decoders = [speaking.speak([one], EngineStats()) for one in requests]
    first = next(late)  # drives stage one for itself alone
    begun = [next(decoder) for decoder in decoders]
    for samples, one, decoder in zip(alone, begun, decoders, strict=True):
        whole = np.concatenate([one.samples, *(chunk.samples for chunk in decoder)])
        np.testing.assert_array_equal(whole, samples)
    rest = np.concatenate([first.samples, *(chunk.samples for chunk in late)])
    np.testing.assert_array_equal(rest, alone[0])
    assert max(backend.steps) > 1


def test_what_has_been_heard_stays_when_the_rest_is_sampled_again(
    acoustic: AcousticDecoder, selector: CandidateSelector
) -> None:
    """All attempts loop in their second half: the speech is rejected twice, and begins as it was heard."""

    def loops_later(history: list[int], vocabulary: int) -> Logits:
        logits = speaks_well(history, vocabulary)
        if len(history) - history.index(-1) > 2 * PHONES:
            logits[:] = -50.0
            logits[7] = 50.0
        return logits

    good = Spoken(engine(acoustic, selector)[0], [request(3, PHONES)])
    bad = Spoken(engine(acoustic, selector, loops_later)[0], [request(3, PHONES)])
    assert bad.stats.retries == 2
    assert bad.stats.faults == {"loop": 3}
    np.testing.assert_array_equal(bad.chunks[0].samples, good.chunks[0].samples)
    assert len(bad.utterances[0]) == len(good.utterances[0])


def test_a_beginning_that_is_bad_already_is_not_heard(
    acoustic: AcousticDecoder, selector: CandidateSelector
) -> None:
    def loops_at_once(history: list[int], vocabulary: int) -> Logits:
        logits = speaks_well(history, vocabulary)
        logits[:END] = -20.0
        logits[7] = 20.0
        return logits

    speaking, backend = engine(acoustic, selector, loops_at_once)
    next(speaking.speak([request(5, PHONES, speed=4.0)], EngineStats()))  # its first chunk sees more
    assert len(backend.steps) >= 3 * 3 * PHONES
