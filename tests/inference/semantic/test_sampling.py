"""Draws of stage one: parity with the official code, and independence of requests from each other."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.helpers.paths import DATA
from timbral.config import LOWEST_TEMPERATURE, SamplingConfig
from timbral.errors import SettingError
from timbral.inference.seeds import BLOCK, derive_seed, generator, noise
from timbral.inference.semantic.sampling import candidates, draw, penalise
from timbral.inference.semantic.sequence import FIRST_STEPS, Finish, TokenSequence
from timbral.native.binding import usable_variants
from timbral.native.candidates import CandidateFinder, finder

GOLDENS = DATA / "goldens"
CASES = json.loads((GOLDENS / "sampling_params.json").read_text(encoding="utf-8"))
SETTINGS = CASES["top_k,top_p,temperature,repetition_penalty"]

EMPTY = np.zeros(0, np.int64)


def config(top_k: int, top_p: float, temperature: float, penalty: float) -> SamplingConfig:
    return SamplingConfig(
        top_k=int(top_k),
        top_p=float(top_p),
        temperature=float(temperature),
        repetition_penalty=float(penalty),
    )


def probabilities(logits: NDArray[np.float32], settings: SamplingConfig) -> NDArray[np.float32]:
    """Of every token, [vocabulary]."""
    tokens, likely = candidates(logits, settings)
    shares = np.zeros_like(logits)
    shares[tokens] = likely / likely.sum()
    return shares


@pytest.mark.parametrize("case", range(len(SETTINGS)))
def test_probabilities_are_the_official_ones(case: int) -> None:
    top_k, top_p, temperature, penalty = SETTINGS[case]
    settings = config(top_k or 0, top_p or 1.0, temperature, penalty)
    with np.load(GOLDENS / "sampling.npz") as golden:
        logits, previous = golden[f"c{case}_logits"], golden[f"c{case}_prev"]
        after, expected = golden[f"c{case}_logits_after"], golden[f"c{case}_probs"]
    for row in range(len(logits)):
        penalise(logits[row], previous[row], settings.repetition_penalty)
        np.testing.assert_array_equal(logits[row], after[row])
        shares = probabilities(logits[row], settings)
        np.testing.assert_array_equal(shares > 0, expected[row] > 0)
        np.testing.assert_allclose(shares, expected[row], rtol=2e-5, atol=1e-9)


@given(
    st.lists(st.sampled_from([-np.inf, -40.0, -11.0, -3.0, 0.0, 0.5, 2.0]), min_size=1, max_size=12),
    st.integers(1, 12),
)
def test_the_likeliest_remain_and_those_as_likely_as_the_last_of_them(
    values: list[float], count: int
) -> None:
    logits = np.array([*values, 1.0], np.float32)
    least = np.sort(logits)[-count:][0]
    shares = probabilities(logits, SamplingConfig(top_k=count, temperature=10.0))
    np.testing.assert_array_equal(shares > 0, (logits >= least) & np.isfinite(logits))


def compiled(
    variant: str, logits: NDArray[np.float32], previous: NDArray[np.int64], settings: SamplingConfig
) -> tuple[NDArray[np.float32], int]:
    """Of every token, [vocabulary], and the likeliest one."""
    tokens, likely, best = CandidateFinder(len(logits), finder(variant))(
        logits,
        previous,
        settings.repetition_penalty,
        settings.top_k,
        settings.top_p,
        max(settings.temperature, LOWEST_TEMPERATURE),
    )
    shares = np.zeros_like(logits)
    shares[tokens] = likely / likely.sum()
    return shares, best


@pytest.mark.parametrize("variant", usable_variants())
@pytest.mark.parametrize("case", [case for case, (top_k, *_) in enumerate(SETTINGS) if top_k])
def test_compiled_probabilities_are_the_official_ones(case: int, variant: str) -> None:
    top_k, top_p, temperature, penalty = SETTINGS[case]
    with np.load(GOLDENS / "sampling.npz") as golden:
        logits, previous = golden[f"c{case}_logits"], golden[f"c{case}_prev"]
        after, expected = golden[f"c{case}_logits_after"], golden[f"c{case}_probs"]
    for row in range(len(logits)):
        settings = config(min(top_k, logits.shape[1]), top_p or 1.0, temperature, penalty)
        shares, best = compiled(variant, logits[row], np.unique(previous[row]), settings)
        np.testing.assert_array_equal(logits[row], after[row])
        np.testing.assert_array_equal(shares > 0, expected[row] > 0)
        np.testing.assert_allclose(shares, expected[row], rtol=2e-5, atol=1e-9)
        assert best == after[row].argmax()


@pytest.mark.parametrize("variant", usable_variants())
@given(
    st.lists(st.sampled_from([-np.inf, -40.0, -11.0, -3.0, 0.0, 0.5, 2.0]), min_size=1, max_size=40),
    st.integers(1, 40),
    st.sampled_from([1.0, 0.9, 0.5]),
    st.sampled_from([1.0, 1.35, 0.7]),
)
def test_compiled_candidates_are_those_of_numpy(
    variant: str, values: list[float], count: int, top_p: float, penalty: float
) -> None:
    logits = np.array([*values, 1.0], np.float32)
    previous = np.arange(0, len(logits), 3)
    settings = config(min(count, len(logits)), top_p, 0.7, penalty)
    other = logits.copy()
    shares, best = compiled(variant, logits, previous, settings)
    penalise(other, previous, penalty)
    np.testing.assert_array_equal(logits, other)
    np.testing.assert_allclose(shares, probabilities(other, settings), rtol=2e-5, atol=1e-9)
    assert best == other.argmax()


@pytest.mark.parametrize("variant", usable_variants())
def test_compiled_a_former_token_without_a_logit_is_refused(variant: str) -> None:
    for token in (-1, 20):
        with pytest.raises(IndexError):
            compiled(variant, np.zeros(20, np.float32), np.array([token]), SamplingConfig())


def test_draws_follow_the_probabilities() -> None:
    shares = np.array([0.5, 0.3, 0.15, 0.05, 0.0], np.float32)
    rng = generator(1)
    tokens = np.array([3, 1, 4, 0, 2])
    drawn = [draw(tokens, 7 * shares[tokens], rng) for _ in range(20_000)]
    counts = np.bincount(drawn, minlength=5) / 20_000
    np.testing.assert_allclose(counts, shares, atol=0.012)
    assert counts[4] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"repetition_penalty": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError, match="give a"):
        SamplingConfig(**wrong)  # type: ignore[arg-type]


def fresh(**settings: object) -> TokenSequence:
    return TokenSequence(np.arange(4), EMPTY, SamplingConfig(), 7, **settings)  # type: ignore[arg-type]


def logits_for(winner: int, size: int = 20, height: float = 30.0) -> NDArray[np.float32]:
    logits = np.zeros(size, np.float32)
    logits[winner] = height
    return logits


def test_the_end_token_has_no_column_in_the_first_steps() -> None:
    sequence = fresh()
    for _ in range(FIRST_STEPS):
        sequence.accept(logits_for(19))
        assert sequence.finished is None
    sequence.accept(logits_for(19))
    assert sequence.finished is Finish.END
    assert len(sequence.tokens) == FIRST_STEPS
    assert 19 not in sequence.tokens


def test_the_end_token_wins_the_argmax_against_penalised_rivals() -> None:
    sequence = TokenSequence(np.arange(4), np.array([3]), SamplingConfig(top_k=0, repetition_penalty=4.0), 7)
    for _ in range(FIRST_STEPS):
        sequence.accept(logits_for(5))
    logits = logits_for(3, height=2.0)
    logits[19] = 1.0  # less likely than token 3, until that is penalised for standing in the prompt
    sequence.accept(logits)
    assert sequence.finished is Finish.END


def test_the_limit_ends_a_sequence() -> None:
    sequence = fresh(limit=3)
    for _ in range(3):
        assert sequence.finished is None
        sequence.accept(logits_for(5))
    assert sequence.finished is Finish.LIMIT
    assert sequence.tokens == [5, 5, 5]


def test_draws_belong_to_the_request_alone() -> None:
    rows = np.random.default_rng(1).standard_normal((30, 40)).astype(np.float32)

    def run(sequence: TokenSequence) -> list[int]:
        for row in rows:
            if sequence.finished is None:
                sequence.accept(row.copy())
        return sequence.tokens

    assert run(fresh()) == run(fresh())
    assert run(fresh()) != run(fresh(candidate=1))
    interleaved = [fresh(), fresh(candidate=1), fresh()]
    for row in rows:
        for sequence in interleaved:
            if sequence.finished is None:
                sequence.accept(row.copy())
    assert [sequence.tokens for sequence in interleaved] == [
        run(fresh()),
        run(fresh(candidate=1)),
        run(fresh()),
    ]


def test_derived_seeds_differ_by_path_and_stay_the_same() -> None:
    paths = [(), ("line",), ("line", 1), ("line", 2), ("line", "1"), ("take", 1), ("line", 1, 2)]
    assert len({derive_seed(seed, *path) for seed in (0, 1, -1) for path in paths}) == 3 * len(paths)
    assert derive_seed(1234, "line", 5) == 6452736840997769254


@pytest.mark.parametrize(
    ("start", "count"), [(0, 10), (5, BLOCK), (BLOCK - 1, 2), (3 * BLOCK, BLOCK), (7, 0)]
)
def test_noise_is_addressed_by_sample(start: int, count: int) -> None:
    endless = noise(3, 0, 5 * BLOCK)
    np.testing.assert_array_equal(noise(3, start, count), endless[start : start + count])
    assert abs(float(endless.mean())) < 0.03
    assert abs(float(endless.std()) - 1) < 0.02
