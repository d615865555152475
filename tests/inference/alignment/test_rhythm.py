"""Rhythm: a speaker's pace, and utterances that are never timed twice alike."""

import numpy as np
import pytest

from timbral.inference.alignment.rhythm import PHRASE, SOUND, UTTERANCE, Rhythm
from timbral.inference.seeds import FARTHEST

DURATIONS = np.tile([2.0, 3.0, 1.5, 6.0], 20)
SILENT = np.tile([False, False, False, True], 20)


def test_a_rhythm_without_a_seed_is_the_predicted_one_at_a_pace() -> None:
    np.testing.assert_array_equal(Rhythm().applied(DURATIONS, SILENT), DURATIONS)
    timed = Rhythm(pace=1.2, pauses=0.5).applied(DURATIONS, SILENT)
    np.testing.assert_allclose(timed, DURATIONS * np.where(SILENT, 0.6, 1.2))


def test_the_same_seed_times_the_same_way_and_another_one_differently() -> None:
    first, again, other = (Rhythm(seed=seed).applied(DURATIONS, SILENT) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.log(first / other)).max() > 0.05


def test_deviations_are_small_and_centred() -> None:
    timed = np.array([Rhythm(seed=seed).applied(DURATIONS, SILENT) for seed in range(300)])
    logs = np.log(timed / DURATIONS)[:, ~SILENT]
    assert np.abs(logs).max() <= FARTHEST * (UTTERANCE + PHRASE + SOUND)
    assert logs.mean() == pytest.approx(0, abs=0.005)
    totals = timed.sum(1) / DURATIONS.sum()
    assert 0.01 < totals.std() < 0.05
    assert np.abs(totals - 1).max() < 0.12
