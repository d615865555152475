"""Melody: F0 moves as far as the speaker's does, and a little differently for each seed."""

import numpy as np
import pytest

from timbral.inference.acoustic.melody import HIGHEST, LOWEST, Melody

MEAN = np.log2(150.0)
F0 = (150 * 2 ** (0.3 * np.sin(np.arange(400) / 20)))[None].astype(np.float32)
FRAME = 0.01


def octaves(f0: np.ndarray) -> np.ndarray:
    return np.log2(f0[0]) - MEAN


def test_without_a_seed_the_predicted_melody_gets_the_range_of_the_speaker() -> None:
    np.testing.assert_allclose(Melody().applied(F0, MEAN, 0, FRAME), F0, rtol=1e-5)
    wide = Melody(range=1.3).applied(F0, MEAN, 0, FRAME)
    np.testing.assert_allclose(octaves(wide), 1.3 * octaves(F0), atol=1e-5)


def test_windows_of_an_utterance_fit() -> None:
    whole = Melody(seed=5).applied(F0, MEAN, 0, FRAME)
    part = Melody(seed=5).applied(F0[:, 130:300], MEAN, 130, FRAME)
    np.testing.assert_allclose(part, whole[:, 130:300], rtol=1e-6)


def test_seeds_differ_smoothly_and_not_by_much() -> None:
    tracks = np.array([octaves(Melody(seed=seed).applied(F0, MEAN, 0, FRAME)) for seed in range(100)])
    moved = tracks - octaves(F0)
    assert 0.01 < moved.std(0).mean() < 0.06
    assert np.abs(moved).max() < 0.2
    assert moved.mean() == pytest.approx(0, abs=0.01)
    assert np.abs(np.diff(moved, axis=1)).max() < 0.01


@pytest.mark.parametrize("f0", [1e-3, 1e6, 0.0])
def test_f0_stays_one_that_people_have(f0: float) -> None:
    found = Melody(range=1.4, seed=1).applied(np.full((1, 9), f0, np.float32), MEAN, 0, FRAME)
    assert np.isfinite(found).all()
    assert ((found >= LOWEST) & (found <= HIGHEST)).all()
