"""A speech that loses its engine goes on with another one, with the samples that it would have had."""

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'timbral[ray]'")

from ray.exceptions import ActorUnavailableError

from timbral import Synthesizer, load
from timbral.config import GenerationConfig
from timbral.serving.errors import ApiError
from timbral.serving.ray import remote
from timbral.serving.ray.messages import Piece, Refusal
from timbral.serving.ray.remote import RemoteStream

TEXT = "The ferry leaves at seven and reaches the island before noon. Take a warm coat, for the deck is cold."
CONFIG = GenerationConfig(seed=3)


class Answer:
    """What an engine sends: pieces of a real speech. It is lost after `pieces` of them."""

    def __init__(self, tts: Synthesizer, start: int, pieces: int | None) -> None:
        self._tts, self._start, self._pieces = tts, start, pieces
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def __iter__(self) -> Iterator[Piece]:
        with self._tts.stream(TEXT, config=CONFIG, start=self._start) as stream:
            for number, chunk in enumerate(stream):
                if number == self._pieces:
                    raise ActorUnavailableError("lost", None)
                yield Piece(chunk.samples, stream.finished, stream.report, chunk.spoken)
        if self._pieces is not None:
            raise ActorUnavailableError("lost", None)


@pytest.fixture(scope="module")
def tts() -> Synthesizer:
    """The embedded model."""
    return load(languages=["en"], threads=1)


@pytest.mark.parametrize(
    ("lost_after", "rate"), [([0], None), ([2], None), ([1, 1, 1], None), ([3, 0, 1], 48_000)]
)
def test_a_resumed_speech_has_the_same_samples(
    tts: Synthesizer, lost_after: list[int], rate: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_WAIT_S", 0.0)
    losses, starts, resumed = iter(lost_after), [], []

    def ask(start: int) -> Answer:
        starts.append(start)
        return Answer(tts, start, next(losses, None))

    with RemoteStream(ask, 24_000, rate, lambda: resumed.append(1)) as stream:
        chunks = list(iter(lambda: next(stream, None), None))
    samples = np.concatenate([chunk.samples for chunk in chunks])
    spoken = [utterance for chunk in chunks for utterance in chunk.spoken]
    whole = tts.say(TEXT, config=CONFIG.model_copy(update={"rate": rate}))
    # At another rate, loud peaks were limited before and after the resampling, not after it alone.
    assert np.abs(samples - whole.samples).max() <= (0 if rate is None else 0.01)
    assert [utterance.text for utterance in spoken] == [utterance.text for utterance in whole.spoken]
    ends = [utterance.end for utterance in whole.spoken]
    assert [utterance.end for utterance in spoken] == pytest.approx(ends, abs=0.002)
    assert len(resumed) == len(lost_after) == len(starts) - 1
    assert starts == sorted(starts)
    assert stream.report is not None
    assert stream.report.audio_s == pytest.approx(whole.duration, abs=0.001)


def test_without_any_engine_it_ends_with_an_error(tts: Synthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_WAIT_S", 0.0)
    with RemoteStream(lambda start: Answer(tts, start, 0), 24_000, None, lambda: None) as stream:
        with pytest.raises(ApiError, match="lost") as refused:
            next(stream)
        assert refused.value.status == 503


def test_what_an_engine_refuses_is_refused() -> None:
    class Refusing(Answer):
        def __iter__(self) -> Iterator[Refusal]:  # type: ignore[override]
            yield Refusal.of(ApiError(422, "nothing can be heard", code="synthesis_failed"))

    with RemoteStream(lambda start: Refusing(None, start, 0), 24_000, None, lambda: None) as stream:  # type: ignore[arg-type]
        with pytest.raises(ApiError, match="heard") as refused:
            next(stream)
        assert (refused.value.status, refused.value.code) == (422, "synthesis_failed")


def test_cancelling_reaches_the_engine(tts: Synthesizer) -> None:
    answers = []

    def ask(start: int) -> Answer:
        answers.append(Answer(tts, start, None))
        return answers[-1]

    with RemoteStream(ask, 24_000, None, lambda: None) as stream:
        next(stream)
        assert not answers[0].cancelled
    assert answers[0].cancelled
