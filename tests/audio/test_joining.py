"""Sentences joined: silence between them, smooth edges, and the same samples however they are cut."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from timbral.audio.joining import FADE, Joiner

RATE = 24_000
EDGE = int(FADE * RATE)


def joined(sentences: list[np.ndarray], cuts: list[list[int]], pause: float) -> np.ndarray:
    joiner, out = Joiner(RATE), []
    for sentence, places in zip(sentences, cuts, strict=True):
        pieces = np.split(sentence, sorted(min(place, len(sentence)) for place in places))
        for number, piece in enumerate(pieces, 1):
            out.append(joiner.push(piece, last=number == len(pieces), pause=pause))
    return np.concatenate(out)


@given(
    st.lists(
        st.tuples(st.integers(0, 1500), st.lists(st.integers(0, 1500), max_size=4)), min_size=1, max_size=4
    ),
    st.sampled_from([0.0, 0.01]),
)
def test_cuts_do_not_change_the_sound(plan: list[tuple[int, list[int]]], pause: float) -> None:
    sentences = [np.full(length, 0.5, np.float32) for length, _ in plan]
    whole = joined(sentences, [[] for _ in plan], pause)
    np.testing.assert_array_equal(joined(sentences, [cuts for _, cuts in plan], pause), whole)
    assert len(whole) == sum(map(len, sentences)) + (len(plan) - 1) * round(pause * RATE)


def test_edges_rise_and_fall_and_the_middle_is_untouched() -> None:
    sentence = np.full(3000, 0.5, np.float32)
    sound = joined([sentence, sentence], [[], []], 0.1)
    assert sound[0] == sound[-1] == sound[2999] == sound[3000 + 2400] == 0
    assert (sound[EDGE : 3000 - EDGE] == 0.5).all()
    assert (sound[3000 : 3000 + 2400] == 0).all()
    assert np.abs(np.diff(sound)).max() < 0.5 / EDGE * 1.1
