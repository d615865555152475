"""A schedule gives each phone its time, and fits any take into it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import engine_graphs as graphs
from timbral.errors import BundleError
from timbral.inference.alignment.durations import LONGEST, ONSET, DurationPredictor, fitted, halves
from timbral.inference.sessions import SessionOptions

OPTIONS = SessionOptions(device="cpu", threads=1)
PAUSE = 99


def opened(folder: Path, longest: float = 6.0) -> DurationPredictor:
    graph = graphs.durations_graph(folder / "durations.onnx", 50, longest)
    return DurationPredictor.open(graph, OPTIONS, PAUSE)


def test_a_schedule_has_the_phones_in_order_for_as_long_as_is_predicted(tmp_path: Path) -> None:
    predictor = opened(tmp_path)
    phones = np.random.default_rng(0).integers(0, 50, 200)
    each = [len(predictor.schedule(np.array([phone] * 100)).places) / 100 for phone in phones]
    schedule = predictor.schedule(phones)
    assert (np.diff(schedule.places) >= 0).all()
    assert abs(len(schedule.places) - sum(each)) < 2
    counts = np.bincount(schedule.places, minlength=200)
    assert (abs(counts - each) <= 1.02).all()
    inside = slice(20, None)
    np.testing.assert_array_equal(schedule.spoken[inside], halves(phones, schedule.places)[inside])


def test_silence_before_the_first_phone_is_told_as_a_pause(tmp_path: Path) -> None:
    predictor = opened(tmp_path)
    longest = max(range(50), key=lambda phone: len(predictor.schedule(np.array([phone] * 9)).places))
    schedule = predictor.schedule(np.array([longest, longest, longest]))
    first = int((schedule.places == 0).sum())
    assert first > ONSET
    assert (schedule.spoken[: first - ONSET] == PAUSE).all()
    assert (schedule.spoken[first - ONSET :] == longest).all()


def test_even_the_shortest_line_has_a_token(tmp_path: Path) -> None:
    assert opened(tmp_path, longest=0.1).schedule(np.array([3])).places.tolist() == [0]


@pytest.mark.parametrize("each", [1e12, np.inf, np.nan, -5.0])
def test_durations_that_make_no_sense_stay_within_bounds(tmp_path: Path, each: float) -> None:
    graph = graphs.durations_graph(tmp_path / "d.onnx", 50, each=each)
    places = DurationPredictor.open(graph, OPTIONS, PAUSE).schedule(np.array([1, 2, 3])).places
    assert 1 <= len(places) <= 3 * LONGEST


def test_a_graph_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="get the model again"):
        DurationPredictor.open(graphs.latent_graph(tmp_path / "latent.onnx"), OPTIONS, PAUSE)


places = st.lists(st.integers(0, 2), min_size=1, max_size=30).map(lambda steps: np.cumsum(steps))


@given(places, places)
def test_a_phone_is_spoken_by_its_own_tokens_in_their_order(path: np.ndarray, schedule: np.ndarray) -> None:
    tokens = np.arange(100, 100 + len(path))
    found = fitted(tokens, path, schedule)
    assert len(found) == len(schedule)
    assert (np.diff(found) >= 0).all()
    for place in np.intersect1d(path, schedule):
        assert set(found[schedule == place]) <= set(tokens[path == place])


@given(places)
def test_a_take_in_time_stays_as_it_is(path: np.ndarray) -> None:
    tokens = np.random.default_rng(0).integers(0, 60, len(path))
    np.testing.assert_array_equal(fitted(tokens, path, path), tokens)


def test_a_phone_without_a_token_gets_half_of_one() -> None:
    phones, schedule = np.array([3, 1, 4, 9, 2]), np.array([0, 1, 3, 4])
    assert halves(phones, schedule).tolist() == [[3, 3], [1, 4], [9, 9], [2, 2]]
