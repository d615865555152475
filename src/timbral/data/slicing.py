"""Slicing of long recordings at silences, by the rules of the official slicer.

The rules and the meaning of the parameters are those of `tools/slicer2.py` in RVC-Boss/GPT-SoVITS, so that
its users find what they know. Levels are gathered from blocks: a recording of hours never lies in memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from timbral.errors import SettingError

Levels = NDArray[np.float64]
Interval = tuple[int, int]
"""First sample of a clip, and the one behind its last."""

SPEECH = -20.0
"""Level in dB of full scale to which speech is thought to be brought before the threshold is applied."""

_ABOVE_NOISE = 6.0
_BELOW_SPEECH = 6.0
_SMOOTH = 0.1


@dataclass(frozen=True)
class Slicing:
    """How to cut; the names and defaults of the official slicer.

    threshold: dB of full scale below which a frame is silent. min_length, min_interval, hop_size,
    max_sil_kept: milliseconds; of a clip before it may be cut, of a silence that is cut at, between two looks
    at the level, and of silence that is kept at the ends of a clip.
    """

    threshold: float = -34.0
    min_length: int = 4000
    min_interval: int = 300
    hop_size: int = 10
    max_sil_kept: int = 500

    def __post_init__(self) -> None:
        if not (self.min_length >= self.min_interval >= self.hop_size >= 1):
            raise SettingError("slicing: min_length >= min_interval >= hop_size >= 1 ms is needed")
        if self.max_sil_kept < self.hop_size:
            raise SettingError("slicing: max_sil_kept must not be shorter than hop_size")
        if not -120 <= self.threshold < 0:
            raise SettingError("slicing: the threshold is a level in dB, from -120 to below 0")

    def hop(self, rate: int) -> int:
        """Samples between two frames."""
        return round(rate * self.hop_size / 1000)

    def window(self, rate: int) -> int:
        """Samples that a frame's level is the mean of."""
        return min(round(rate * self.min_interval / 1000), 4 * self.hop(rate))


def frame_levels(blocks: Iterable[NDArray[np.float32]], rate: int, slicing: Slicing) -> Levels:
    """Root mean square [1 + n // hop] around every hop of blocks [...] that make n samples in all."""
    hop, window = slicing.hop(rate), slicing.window(rate)
    ahead = window // 2
    kept: NDArray[np.float32] = np.zeros(ahead, np.float32)
    levels: list[Levels] = []
    for block in _and_at_last(blocks, np.zeros(ahead, np.float32)):
        kept = np.concatenate([kept, block])
        count = max(0, (len(kept) - window) // hop + 1)
        if count:
            frames = np.lib.stride_tricks.sliding_window_view(kept, window)[: count * hop : hop]
            levels.append(np.sqrt(np.square(frames, dtype=np.float64).mean(axis=1)))
            kept = kept[count * hop :]
    return np.concatenate(levels) if levels else np.zeros(0)


def _and_at_last(
    blocks: Iterable[NDArray[np.float32]], end: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    yield from blocks
    yield end


def cut(levels: Levels, total: int, rate: int, slicing: Slicing) -> list[Interval]:
    """Clips of a recording of `total` samples with these levels; the silence between them is left out."""
    hop = slicing.hop(rate)
    if total <= round(rate * slicing.min_length / 1000 / hop):
        return [(0, total)]
    gaps = list(_gaps(levels, rate, slicing))
    starts = [0, *(end for _, end in gaps)]
    ends = [*(start for start, _ in gaps), len(levels)]
    clips = [
        (start * hop, min(end * hop, total)) for start, end in zip(starts, ends, strict=True) if end > start
    ]
    return [(start, end) for start, end in clips if end > start]


def _gaps(levels: Levels, rate: int, slicing: Slicing) -> Iterator[Interval]:
    """Frames to leave out: first and last of each gap; equal where a clip only ends and the next begins."""
    hop = slicing.hop(rate)
    interval = round(rate * slicing.min_interval / 1000 / hop)
    shortest = round(rate * slicing.min_length / 1000 / hop)
    kept = round(rate * slicing.max_sil_kept / 1000 / hop)
    clip_start = 0
    for start, end in _silences(levels, 10 ** (slicing.threshold / 20)):
        if end == len(levels):
            if end - start >= interval:
                yield _quietest(levels, start, min(end, start + kept)), end + 1
            return
        leading = start == 0 and end > kept
        if not leading and (end - start < interval or end - clip_start < shortest):
            continue
        first, last = _gap(levels, start, end, kept)
        yield (0 if start == 0 else first), last
        clip_start = last


def _silences(levels: Levels, threshold: float) -> Iterator[Interval]:
    """First frame of each silence and the frame behind it."""
    silent = np.concatenate([[False], levels < threshold, [False]])
    edges = np.flatnonzero(silent[1:] != silent[:-1])
    yield from ((int(start), int(end)) for start, end in edges.reshape(-1, 2))


def _gap(levels: Levels, start: int, end: int, kept: int) -> Interval:
    """Where a clip ends and the next one begins, in a silence from `start` to before `end`."""
    if end - start <= kept:
        quietest = _quietest(levels, start, end)
        return quietest, quietest
    left, right = _quietest(levels, start, start + kept), _quietest(levels, end - kept, end)
    if end - start > 2 * kept:
        return left, right
    middle = _quietest(levels, end - kept, start + kept)
    return (min(left, middle), max(right, middle)) if start else (0, right)


def _quietest(levels: Levels, first: int, last: int) -> int:
    """The quietest frame from `first` to `last`, both included."""
    return first + int(levels[first : last + 1].argmin())


def fitted(levels: Levels, slicing: Slicing) -> Slicing:
    """The slicing with its threshold moved to where it belongs in a recording with these levels.

    A threshold is meant for speech at SPEECH dB; quiet recordings would be all silence and noisy ones never
    silent.
    """
    decibels = 20 * np.log10(levels + 1e-9)
    if not len(decibels):
        return slicing
    loud = float(np.percentile(decibels, 95))
    active = decibels[decibels > loud - 25]
    speech = float(10 * np.log10(np.mean(10 ** (active / 10))))
    floor = float(np.percentile(decibels, 5))
    threshold = slicing.threshold + speech - SPEECH
    threshold = min(max(threshold, floor + _ABOVE_NOISE), speech - _BELOW_SPEECH)
    return replace(slicing, threshold=float(np.clip(threshold, -120, -0.1)))


def split_long(levels: Levels, clips: Iterable[Interval], hop: int, longest: int) -> list[Interval]:
    """The clips, those of more than `longest` samples cut where they are quietest."""
    around = max(1, int(_SMOOTH / 0.01))
    parts: list[Interval] = []
    for start, end in clips:
        while end - start > longest:
            # Halves where two will do, so that no crumb is left over.
            ahead = min(longest, (end - start) * 2 // 3)
            first, last = (start + ahead // 2) // hop, (start + ahead) // hop
            smooth = np.convolve(levels[first:last] ** 2, np.ones(around), mode="same")
            middle = (first + int(smooth.argmin())) * hop
            parts.append((start, middle))
            start = middle
        parts.append((start, end))
    return parts
