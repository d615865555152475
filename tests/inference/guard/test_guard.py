"""The guard: what it lets pass, what it notices, and what is done about it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from timbral.inference.guard.checks import RATES, CandidateChecks, Fault, Guard, Policy, Verdict
from timbral.inference.guard.detectors import LeakDetector, LoopDetector, is_silent, longest_common_run
from timbral.inference.request import Conditioning, UtteranceRequest
from timbral.models import TokenRate

EMPTY = np.zeros(0, np.int64)


def speech(count: int, seed: int = 0, hold: float = 0.3) -> NDArray[np.int64]:
    """Tokens as speech has them: seldom repeated, some held for a while."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, 1024, count)
    for place in range(1, count):
        if rng.random() < hold:
            tokens[place] = tokens[place - 1]
    return tokens


def checks(
    phones: int = 40,
    languages: dict[str, int] | None = None,
    prompt: NDArray[np.int64] = EMPTY,
    prompt_phones: NDArray[np.int64] = EMPTY,
) -> CandidateChecks:
    guard = Guard()
    bounds = guard.bounds(phones, {"zh": phones} if languages is None else languages)
    voice = Conditioning(np.zeros(1, np.float32), prompt, prompt_phones)
    return guard.checks(UtteranceRequest(np.arange(phones), voice), bounds)


def judge(checks: CandidateChecks, tokens: NDArray[np.int64], *, complete: bool = True) -> Verdict:
    return checks.judge(tokens.tolist(), complete=complete)


@given(st.integers(0, 10_000), st.integers(70, 200))
@settings(max_examples=50)
def test_speech_passes(seed: int, count: int) -> None:
    verdict = judge(checks(prompt=speech(150, seed + 1)), speech(count, seed))
    assert verdict == Verdict(None, count, 0.0)


@pytest.mark.parametrize(
    ("tokens", "complete", "fault"),
    [
        (speech(30), True, Fault.TOO_FEW),
        (speech(400), True, Fault.TOO_MANY),
        (speech(210), False, Fault.TOO_MANY),
        (speech(120), False, Fault.MISSING_END),
        (np.concatenate([speech(60), np.full(30, 9)]), True, Fault.LOOP),
        (np.concatenate([speech(60), np.tile(speech(12, 5), 3)]), True, Fault.LOOP),
        (np.concatenate([speech(60), np.tile(speech(30, 5), 2)]), True, Fault.LOOP),
    ],
)
def test_bad_takes_are_named(tokens: NDArray[np.int64], complete: bool, fault: Fault) -> None:
    verdict = judge(checks(), tokens, complete=complete)
    assert verdict.fault is fault
    assert verdict.score > 0


@pytest.mark.parametrize("period", [1, 2, 5, 12, 25, 60])
def test_a_loop_is_noticed_soon_and_its_first_round_kept(period: int) -> None:
    before, round_ = speech(50, 1, hold=0), speech(period, 2, hold=0)
    detector = LoopDetector()
    for token in before.tolist():
        assert detector.push(token) is None
    kept = [detector.push(token) for token in np.tile(round_, 200).tolist()]
    noticed = next(number for number, count in enumerate(kept) if count is not None)
    assert kept[noticed] == 50 + period
    assert noticed < 30 + period


def test_a_pause_is_no_loop() -> None:
    verdict = judge(checks(), np.concatenate([speech(40, 1), np.full(20, 9), speech(40, 2)]))
    assert verdict.fault is None


def test_the_prompts_words_at_the_beginning_are_a_leak() -> None:
    prompt = speech(150, 1)
    rng = np.random.default_rng(3)
    said_again = prompt[110:].copy()
    changed = rng.random(len(said_again)) < 0.15  # another performance of the same words
    said_again[changed] = rng.integers(0, 1024, int(changed.sum()))
    verdict = judge(checks(prompt=prompt), np.concatenate([said_again, speech(80, 2)]))
    assert verdict.fault is Fault.LEAK
    assert verdict.keep < 40


def test_words_that_both_texts_share_are_no_leak() -> None:
    prompt = speech(150, 1)
    shared = np.concatenate([prompt[:30], speech(80, 2)])
    other_words = checks(prompt=prompt, prompt_phones=np.arange(100, 140))
    same_words = checks(prompt=prompt, prompt_phones=np.arange(0, 12))
    assert judge(other_words, shared).fault is Fault.LEAK
    assert judge(same_words, shared).fault is None


def test_late_likeness_to_the_prompt_is_no_leak() -> None:
    prompt = speech(150, 1)
    assert judge(checks(prompt=prompt), np.concatenate([speech(60, 2), prompt[:40]])).fault is None


def test_no_prompt_cannot_leak() -> None:
    detector = LeakDetector(EMPTY, 1, 50)
    assert not any(detector.push(token) for token in range(50))


@pytest.mark.parametrize(
    ("phones", "languages", "good", "bad"),
    [
        (3, {"zh": 3}, (11, 15, 25), (60, 200)),  # 嗯。
        (3, {"en": 3}, (11, 18, 30), (60, 200)),  # OK
        (5, {}, (11, 20, 40), (80, 3)),
    ],
)
def test_very_short_texts_have_room_and_an_end(
    phones: int, languages: dict[str, int], good: tuple[int, ...], bad: tuple[int, ...]
) -> None:
    for count in good:
        assert judge(checks(phones, languages), speech(count, 1)).fault is None
    for count in bad:
        assert judge(checks(phones, languages), speech(count, 1)).fault in (Fault.TOO_MANY, Fault.TOO_FEW)


def rate(low: float, typical: float, high: float) -> TokenRate:
    return TokenRate(low=float(low), typical=float(typical), high=float(high))


def test_bounds_add_up_over_languages() -> None:
    guard = Guard({"zh": rate(1, 2, 4), "en": rate(2, 3, 5)}, Policy(pause_tokens=10))
    bounds = guard.bounds(15, {"zh": 10, "en": 5})
    assert (bounds.low, bounds.typical, bounds.high) == (20, 40.0, 75)
    assert guard.bounds(15, {"zh": 10}).high == 10 * 4 + 5 * 4.8 + 10


@pytest.mark.parametrize("language", RATES)
def test_default_rates_are_in_order(language: str) -> None:
    default = RATES[language]
    assert default.low < default.typical < default.high


def test_rates_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        rate(2, 1, 3)


def test_silence_is_told_from_sound() -> None:
    hum = (0.05 * np.sin(np.arange(4800) / 10)).astype(np.float32)
    assert not is_silent(hum, -55)
    assert is_silent(hum / 1000, -55)
    assert is_silent(np.zeros(0, np.float32), -55)
    assert is_silent(np.full(100, np.nan, np.float32), -55)


@given(st.lists(st.integers(0, 3), max_size=20), st.lists(st.integers(0, 3), max_size=20))
def test_longest_common_run(one: list[int], other: list[int]) -> None:
    runs = {tuple(other[i:j]) for i in range(len(other)) for j in range(i, len(other) + 1)}
    expected = max(
        (j - i for i in range(len(one)) for j in range(i, len(one) + 1) if tuple(one[i:j]) in runs), default=0
    )
    assert longest_common_run(np.array(one, np.int64), np.array(other, np.int64)) == expected
