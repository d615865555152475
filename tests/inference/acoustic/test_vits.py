"""Stage two that makes whole sentences: its sound comes at the end, and takes are drawn again from the beginning."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers import engine_graphs as graphs
from tests.helpers.engine_models import HistoryBackend, Logits, history_logits
from timbral.errors import SettingError
from timbral.inference.acoustic.interface import SentenceStream, check_line
from timbral.inference.engine import SpeechEngine
from timbral.inference.guard.guard import Guard, Policy, Rate
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import noise
from timbral.inference.semantic.decoder import SemanticDecoder

END = graphs.VOCABULARY
HOP = 100


class Whistle:
    """A hundred samples a token, which depend on all tokens of the sentence."""

    sample_rate = 2500

    def __init__(self) -> None:
        self.decoded: list[tuple[int, ...]] = []

    def stream(self, line: UtteranceRequest, seed: int) -> SentenceStream:
        check_line(line, 1)

        def decode(tokens: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
            self.decoded.append(tuple(tokens))
            yield noise(seed + int(tokens.sum()), 0, HOP * len(tokens))

        return SentenceStream(decode)


def line(**more: float) -> UtteranceRequest:
    return UtteranceRequest(np.arange(1, 31), np.zeros(1, np.float32), {"zh": 30}, **more)  # type: ignore[arg-type]


def test_sound_comes_at_the_end_and_only_once() -> None:
    whistle = Whistle()
    stream = whistle.stream(line(), 1)
    for token in (5, 6, 7):
        assert stream.push(token) is None  # type: ignore[func-returns-value]
    assert (stream.heard, stream.tokens) == (0, (5, 6, 7))
    twin = stream.copy()
    twin.forget()
    twin.push(9)
    assert (twin.tokens, stream.tokens) == ((9,), (5, 6, 7))
    assert [len(piece) for piece in stream.finish()] == [3 * HOP]
    assert list(stream.finish()) == []
    assert stream.heard == 3
    assert [len(piece) for piece in twin.finish()] == [HOP]
    assert whistle.decoded == [(5, 6, 7), (9,)]
    assert list(whistle.stream(line(), 1).finish()) == []


def test_a_bad_take_is_not_heard_at_all() -> None:
    begun = 0

    def stops_early_at_first(history: list[int], vocabulary: int) -> Logits:
        nonlocal begun
        spoken = len(history) - 1 - history.index(-1)
        begun += spoken == 0
        logits = history_logits(history, vocabulary)
        logits[END] = 50.0 if spoken >= (90 if begun > 1 else 15) else -50.0
        return logits

    whistle = Whistle()
    runner = HistoryBackend(1, vocabulary=END + 1, rule=stops_early_at_first)
    guard = Guard({"zh": Rate(1.0, 3.0, 5.0)}, Policy(pause_tokens=10))
    speech = SpeechEngine(SemanticDecoder(runner), whistle, guard).speak([line()])
    pieces = list(speech)
    assert [(len(piece.samples), piece.last) for piece in pieces] == [(90 * HOP, False), (0, True)]
    assert speech.report.faults == {"too_few": 1}
    assert [len(tokens) for tokens in whistle.decoded] == [90]


@pytest.mark.parametrize("speed", [0.0, 3.0, float("nan")])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    with pytest.raises(SettingError, match="speed"):
        Whistle().stream(line(speed=speed), 1)


def test_a_timbre_of_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        check_line(line(), 2)


def test_features_that_are_missing_are_zeros() -> None:
    some = np.ones((2, 4), np.float32)
    prompted = UtteranceRequest(
        np.arange(2), np.zeros(1, np.float32), prompt_phones=np.arange(3), features=some
    )
    assert prompted.all_features is not None
    assert prompted.all_features.sum(1).tolist() == [0, 0, 0, 4, 4]
    told = UtteranceRequest(
        np.arange(3), np.zeros(1, np.float32), prompt_phones=np.arange(2), prompt_features=some
    )
    assert told.all_features is not None
    assert told.all_features.sum(1).tolist() == [4, 4, 0, 0, 0]
    assert line().all_features is None
