"""A schedule gives each phone its time, and fits any take into it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import engine_graphs as graphs
from timbral.errors import BundleError
from timbral.inference.alignment.durations import LONGEST_ONSET, LONGEST_PHONE, DurationPredictor, fit, halves
from timbral.inference.sessions import Graph, SessionOptions

pytestmark = pytest.mark.usefixtures("traced")

OPTIONS = SessionOptions(device="cpu", threads=1)
PAUSE = 99
SENTENCE_ENDS = (48, 49)


def opened(folder: Path, longest: float = 6.0) -> DurationPredictor:
    return predictor_of(graphs.durations_graph(folder / "durations.onnx", 50, longest))


def predictor_of(path: Path) -> DurationPredictor:
    return DurationPredictor(Graph(path, ("phones",), ("durations",), OPTIONS), PAUSE, SENTENCE_ENDS)


def test_a_schedule_has_the_phones_in_order_for_as_long_as_is_predicted(tmp_path: Path) -> None:
    predictor = opened(tmp_path)
    phones = np.random.default_rng(0).integers(0, 50, 200)
    each = [len(predictor.schedule(np.array([phone] * 100)).positions) / 100 for phone in phones]
    schedule = predictor.schedule(phones)
    assert (np.diff(schedule.positions) >= 0).all()
    assert abs(len(schedule.positions) - sum(each)) < 2
    counts = np.bincount(schedule.positions, minlength=200)
    assert (abs(counts - each) <= 1.02).all()
    inside = slice(20, None)
    np.testing.assert_array_equal(schedule.phones[inside], halves(phones, schedule.positions)[inside])


def test_silence_before_the_first_phone_is_told_as_a_pause(tmp_path: Path) -> None:
    predictor = opened(tmp_path)
    longest = max(range(50), key=lambda phone: len(predictor.schedule(np.array([phone] * 9)).positions))
    schedule = predictor.schedule(np.array([longest, longest, longest]))
    first = int((schedule.positions == 0).sum())
    assert first > LONGEST_ONSET
    assert (schedule.phones[: first - LONGEST_ONSET] == PAUSE).all()
    assert (schedule.phones[first - LONGEST_ONSET :] == longest).all()


def test_even_the_shortest_line_has_a_token(tmp_path: Path) -> None:
    assert opened(tmp_path, longest=0.1).schedule(np.array([3])).positions.tolist() == [0]


@pytest.mark.parametrize("each", [1e12, np.inf, np.nan, -5.0])
def test_durations_that_make_no_sense_stay_within_bounds(tmp_path: Path, each: float) -> None:
    graph = graphs.durations_graph(tmp_path / "d.onnx", 50, each=each)
    places = predictor_of(graph).schedule(np.array([1, 2, 3])).positions
    assert 1 <= len(places) <= 3 * LONGEST_PHONE


def test_a_graph_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="get the model again"):
        predictor_of(graphs.latent_graph(tmp_path / "latent.onnx"))


places = st.lists(st.integers(0, 2), min_size=1, max_size=30).map(lambda steps: np.cumsum(steps))


@given(places, places)
def test_a_phone_is_spoken_by_its_own_tokens_in_their_order(path: np.ndarray, schedule: np.ndarray) -> None:
    tokens = np.arange(100, 100 + len(path))
    found = fit(tokens, path, schedule)
    assert len(found) == len(schedule)
    assert (np.diff(found) >= 0).all()
    for place in np.intersect1d(path, schedule):
        assert set(found[schedule == place]) <= set(tokens[path == place])


@given(places)
def test_a_take_in_time_stays_as_it_is(path: np.ndarray) -> None:
    tokens = np.random.default_rng(0).integers(0, 60, len(path))
    np.testing.assert_array_equal(fit(tokens, path, path), tokens)


def test_a_phone_without_a_token_gets_half_of_one() -> None:
    phones, schedule = np.array([3, 1, 4, 9, 2]), np.array([0, 1, 3, 4])
    assert halves(phones, schedule).tolist() == [[3, 3], [1, 4], [9, 9], [2, 2]]


def test_pauses_between_sentences_are_as_long_as_is_asked_for(tmp_path: Path) -> None:
    """Between words alone: not before the first, and not after the last."""
    predictor = predictor_of(graphs.durations_graph(tmp_path / "durations.onnx", 50, each=10.0))
    phones = np.array([48, 1, 2, 48, 3, 49, 4, 48])

    def lengths(pause_within: float) -> list[int]:
        return np.bincount(predictor.schedule(phones, pause_within).positions, minlength=8).tolist()

    assert lengths(0.0) == [10] * 8
    assert lengths(1.0) == [10, 10, 10, 35, 10, 35, 10, 10]
    assert lengths(-0.2) == [10, 10, 10, 5, 10, 5, 10, 10]
    assert lengths(-3.0) == [10, 10, 10, 1, 10, 1, 10, 10]
