"""The HMM aligner ranks candidates that say all phones above those that skip some, and survives its file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbral.errors import BundleError
from timbral.inference.alignment.hmm_aligner import SKIP, UNSPOKEN, HmmAligner

PHONES, VOCABULARY = 12, 48


def aligner() -> HmmAligner:
    """Phone p is spoken by the tokens 4 p to 4 p + 3; of the last phone nothing is known."""
    ratios = np.full((PHONES - 1, VOCABULARY), -2.0, np.float32)
    for phone in range(PHONES - 1):
        ratios[phone, 4 * phone : 4 * phone + 4] = 3.0
    return HmmAligner(ratios, np.array([*range(PHONES - 1), -1]))


def spoken(phones: list[int], each: int = 2) -> np.ndarray:
    return np.array([4 * phone + i for phone in phones for i in range(each)], np.int64)


def test_the_take_that_says_everything_wins() -> None:
    phones = [3, 1, 4, 1, 5, 9, 2, 6]
    candidates = [
        spoken(phones),
        spoken(phones, each=4),
        spoken(phones[:3] + phones[5:]),  # skips a word
        spoken(phones[::-1]),
        spoken(phones[:4]),  # stops half way
        np.zeros(0, np.int64),
    ]
    scores = aligner().scores(np.array(phones), candidates)
    np.testing.assert_allclose(scores[:2], 3.0)
    assert (scores[2:] < 2.5).all()
    assert scores[-1] == UNSPOKEN


@given(
    st.lists(st.integers(0, PHONES - 1), min_size=1, max_size=5),
    st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=5), min_size=1, max_size=3),
)
def test_paths_are_the_best_ones(phones: list[int], candidates: list[list[int]]) -> None:
    """Against every path there is."""
    model = aligner()
    known = np.concatenate([model._ratios, np.zeros((1, VOCABULARY), np.float32)])

    def best(candidate: list[int]) -> tuple[float, set[float]]:
        totals: dict[tuple[int, ...], float] = {}

        def walk(path: tuple[int, ...], total: float) -> None:
            total += float(known[model._rows[phones[path[-1]]], candidate[len(path) - 1]])
            if len(path) == len(candidate):
                if path[-1] >= len(phones) - 2:
                    totals[path] = total - SKIP * (path[-1] == len(phones) - 2)
                return
            for jump in range(3):
                if path[-1] + jump < len(phones):
                    walk((*path, path[-1] + jump), total - SKIP * (jump == 2))

        for first in range(min(2, len(phones))):
            walk((first,), -SKIP * first)
        top = max(totals.values(), default=-np.inf)
        return top, {mean(path, candidate) for path, total in totals.items() if total > top - 1e-6}

    def mean(path: tuple[int, ...], candidate: list[int]) -> float:
        ratios = []
        for place, phone in enumerate(phones):
            mine = [
                known[model._rows[phone], t] for t, at in zip(candidate, path, strict=True) if at == place
            ]
            ratios.append(float(np.mean(mine)) if mine else UNSPOKEN)
        return float(np.mean(ratios))

    scores = model.scores(np.array(phones), [np.array(candidate) for candidate in candidates])
    for candidate, score in zip(candidates, scores, strict=True):
        top, means = best(candidate)
        if np.isfinite(top):
            assert min(abs(score - one) for one in means) < 1e-5


def test_a_file_gives_the_same_scores(tmp_path: Path) -> None:
    path = tmp_path / "aligner.safetensors"
    aligner().save(path)
    phones, candidates = np.array([0, 11, 5]), [spoken([0, 3, 5]), spoken([0, 5])]
    np.testing.assert_allclose(
        HmmAligner.open(path, PHONES, VOCABULARY + 1).scores(phones, candidates),
        aligner().scores(phones, candidates),
        atol=1e-6,
    )


def test_another_file_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "aligner.safetensors"
    path.write_bytes(b"not a tensor")
    with pytest.raises(BundleError, match="get the model again"):
        HmmAligner.open(path, PHONES, VOCABULARY + 1)
