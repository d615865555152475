"""Detectors of faults in tokens and samples: loops, leaks of the prompt, silence."""

import numpy as np
from numpy.typing import NDArray

LONGEST_PERIOD = 60
"""Tokens of the longest loop that is looked for: 2.4 s; what loops more slowly ends as too many tokens."""

PAUSE_PERIOD = 4
"""Tokens of the longest loop that may be a pause; pauses hold one token, or alternate between a few."""

PAUSE_TOKENS = 25
"""Tokens, 1 s, after which a pause is a loop all the same."""

LOOP_TOKENS = 20
"""Tokens in a row that equal those one round before: from here on it is a loop; recordings have up to 6."""

_NOTHING = -1


class LoopDetector:
    """Notices that the same few tokens keep coming back, or that one is held too long.

    For every period p it counts for how many tokens each equals the one p before it. A sampled voice does
    not repeat itself exactly for long; a pause may, so short periods are given more time.
    """

    def __init__(self) -> None:
        periods = np.arange(1, LONGEST_PERIOD + 1)
        self._enough = np.where(periods <= PAUSE_PERIOD, PAUSE_TOKENS, LOOP_TOKENS)
        self._runs = np.zeros(LONGEST_PERIOD, np.int64)
        self._recent = np.full(LONGEST_PERIOD, _NOTHING)
        self._count = 0

    def push(self, token: int) -> int | None:
        """Takes the next token; in a loop, returns how many tokens there were after its first round."""
        self._runs = np.where(self._recent == token, self._runs + 1, 0)
        self._recent = np.concatenate([[token], self._recent[:-1]])
        self._count += 1
        runs = self._runs.copy()
        runs[PAUSE_PERIOD:] -= runs[:PAUSE_PERIOD].max()  # a pause has every period, and is judged as a pause
        looping = np.flatnonzero(runs >= self._enough)
        return self._count - int(self._runs[looping[0]]) if len(looping) else None


class LeakDetector:
    """Notices that speech begins by saying the prompt's words again.

    The first tokens are aligned with the prompt's as in a local alignment (Smith and Waterman, 1981): one
    point for each token in common, one off for each that differs, is missing or is added. Held tokens
    count once, since pauses resemble each other and words do not.
    """

    def __init__(self, prompt: NDArray[np.int64], enough: int, within: int) -> None:
        held = np.concatenate([[False], prompt[1:] == prompt[:-1]]) if len(prompt) else np.zeros(0, bool)
        self._prompt = prompt[~held]
        self._score = np.zeros(len(self._prompt), np.int64)
        self._enough = enough
        self._left = within
        self._token = _NOTHING

    def push(self, token: int) -> bool:
        """Takes the next token; whether by now it is clear that the prompt is being repeated."""
        if self._left == 0 or not len(self._prompt):
            return False
        self._left -= 1
        if token == self._token:
            return False
        self._token = token
        before = self._score
        diagonal = np.concatenate([[0], before[:-1]]) + np.where(self._prompt == token, 1, -1)
        skipping = np.concatenate([[0, 0], before[:-2]])[: len(before)]
        skipping = skipping + np.where(self._prompt == token, 0, -2)
        self._score = np.maximum(np.maximum(diagonal, before - 1), np.maximum(skipping, 0))
        likeness = int(self._score.max())
        return likeness >= self._enough


def longest_common_run(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """Length of the longest stretch that two rows of ids share."""
    runs = np.zeros(len(other) + 1, np.int64)
    longest = 0
    for item in one:
        runs[1:] = np.where(other == item, runs[:-1] + 1, 0)
        longest = max(longest, int(runs.max()))
    return longest


def is_silent(samples: NDArray[np.float32], floor_db: float) -> bool:
    """Whether the root mean square of samples [n] is below a level (dB of full scale); true of no samples."""
    if not len(samples):
        return True
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    # Negated, because a sound of NaNs compares false with everything and is as good as silence.
    return not level >= 10 ** (floor_db / 20)
