"""Sentences joined: the pause that is asked for between their sounds, smooth edges, and the same samples however they are cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbral.audio.joining import AFTER, BEFORE, FADE, Joiner, fade_edges

RATE = 24_000
EDGE = int(FADE * RATE)
LEADING, TRAILING = 0.31, 0.46


def silence(seconds: float, level: float = 1e-4) -> np.ndarray:
    noise = np.random.default_rng(int(1000 * seconds)).standard_normal(round(seconds * RATE))
    return (level * noise).astype(np.float32)


def tone(seconds: float, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def sentence(seconds: float = 1.0) -> np.ndarray:
    """As a model says it: silence of its own at both ends."""
    return np.concatenate([silence(LEADING), tone(seconds), silence(TRAILING)])


def joined(
    sentences: list[np.ndarray],
    pause: float,
    cuts: list[list[int]] | None = None,
    joiner: Joiner | None = None,
) -> np.ndarray:
    joiner, out = joiner or Joiner(RATE), []
    for number, said in enumerate(sentences):
        pieces = np.split(said, sorted(min(cut, len(said)) for cut in cuts[number])) if cuts else [said]
        for last, piece in enumerate(pieces, 1):
            out.append(joiner.push(piece, last=last == len(pieces), pause=pause))
    return np.concatenate(out)


def gaps(sound: np.ndarray) -> list[float]:
    """Seconds between the sounds that stand out of silence."""
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    steps = np.diff(loud)
    return [round(float(step) / RATE, 2) for step in steps[steps > RATE * 0.02]]


@pytest.mark.parametrize("pause", [0.3, 0.15, 1.0, 2.0])
def test_the_pause_is_what_is_heard_between_sentences(pause: float) -> None:
    assert gaps(joined([sentence(), sentence(0.4), sentence()], pause)) == [pause, pause]


def test_without_a_pause_there_is_still_room_for_onset_and_end() -> None:
    assert gaps(joined([sentence(), sentence()], 0.0)) == [BEFORE + AFTER]


def test_a_pause_that_is_asked_for_replaces_the_one_after_a_sentence() -> None:
    joiner = Joiner(RATE)
    first = joined([sentence()], 0.3, joiner=joiner)
    joiner.pause(0.8)
    assert gaps(np.concatenate([first, joined([sentence()], 0.3, joiner=joiner)])) == [0.8]


def test_a_text_begins_as_the_model_begins_it_and_ends_soon_after_its_last_sound() -> None:
    said = sentence()
    sound = joined([said], 0.3)
    np.testing.assert_array_equal(sound[EDGE:RATE], said[EDGE:RATE])
    assert len(sound) == pytest.approx((LEADING + 1.0 + AFTER) * RATE, abs=EDGE)
    joiner = Joiner(RATE)
    joiner.pause(1.0)
    led = joined([said], 0.3, joiner=joiner)
    assert np.flatnonzero(np.abs(led) > 0.01)[0] == pytest.approx(RATE, abs=2 * EDGE)


def test_soft_onsets_and_final_fricatives_are_kept() -> None:
    hiss = np.random.default_rng(0).standard_normal(round(0.15 * RATE)).astype(np.float32)
    soft = np.concatenate([silence(0.3), 0.006 * hiss, tone(0.6), 0.006 * hiss, silence(0.4)])
    sound = joined([sentence(), soft], 0.3)
    assert len(sound) == pytest.approx((LEADING + 1.0 + 0.3 + 0.9 + AFTER) * RATE, abs=2 * EDGE)


def test_a_pause_within_a_sentence_is_left_as_it_is() -> None:
    said = np.concatenate([silence(0.2), tone(0.3), silence(0.7), tone(0.3), silence(0.2)])
    assert gaps(joined([said, said], 0.3)) == [0.7, 0.3, 0.7]


def test_sound_is_not_kept_back() -> None:
    """Only silence waits for what follows."""
    joiner = Joiner(RATE)
    said = sentence()
    count = round((LEADING + 0.5) * RATE)
    given_back = joiner.push(said[:count], last=False, pause=0.3)
    assert len(given_back) >= count - 3 * EDGE


@given(
    st.lists(
        st.tuples(st.integers(0, 3000), st.integers(0, 9000), st.lists(st.integers(0, 15_000), max_size=4)),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([0.0, 0.2]),
)
def test_cuts_do_not_change_the_sound(plan: list[tuple[int, int, list[int]]], pause: float) -> None:
    said = [
        np.concatenate([silence(quiet / RATE), tone(loud / RATE), silence(quiet / RATE)])
        for quiet, loud, _ in plan
    ]
    whole = joined(said, pause)
    np.testing.assert_array_equal(joined(said, pause, [cuts for _, _, cuts in plan]), whole)


def test_a_resumed_speech_goes_on_with_the_samples_of_an_undisturbed_one() -> None:
    said = [sentence(), sentence(0.4), sentence()]
    head = joined(said[:1], 0.3)
    rest = joined(said[1:], 0.3, joiner=Joiner(RATE, 0.3))
    np.testing.assert_array_equal(np.concatenate([head, rest]), joined(said, 0.3))


def test_edges_are_smooth() -> None:
    steady = np.full(3000, 0.5, np.float32)
    sound = joined([steady, steady], 0.3)
    assert np.abs(np.diff(sound)).max() < 0.5 / EDGE * 1.1
    assert sound[0] == sound[2999] == 0
    faded = fade_edges(steady, RATE)
    assert len(faded) == 3000
    assert (faded[EDGE : 3000 - EDGE] == 0.5).all()
    assert faded[0] == faded[-1] == 0


def test_what_is_silent_throughout_stays_as_it_is() -> None:
    quiet = silence(0.5)
    joiner = Joiner(RATE, 0.3)
    assert len(joined([quiet], 0.3, joiner=joiner)) >= len(quiet)
