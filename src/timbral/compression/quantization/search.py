"""The search for the mixture of formats: least loss within a size, or least size within a loss.

Every weight has formats with a size and a predicted loss, which add up over weights. All begin with their
smallest format; then that step to a larger one is taken which saves the most loss per byte, along the convex
hull of each weight's formats (the greedy solution of a knapsack whose items can be had in parts; it is optimal up
to the last step).
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from timbral.compression.quantization.formats import Format


@dataclass(frozen=True)
class Candidate:
    """A format of a weight: bytes that it takes, and the loss that it is predicted to cost."""

    format: Format
    bytes: int
    loss: float


def smallest(candidates: Mapping[str, Sequence[Candidate]]) -> int:
    """Bytes of all weights in their smallest formats."""
    return sum(_hull(each)[0].bytes for each in candidates.values())


def within_bytes(candidates: Mapping[str, Sequence[Candidate]], most: int) -> dict[str, Candidate]:
    """The mixture with the least predicted loss whose weights take at most so many bytes, if there is one."""
    return _search(candidates, most=most, loss=0.0)


def within_loss(candidates: Mapping[str, Sequence[Candidate]], loss: float) -> dict[str, Candidate]:
    """The smallest mixture whose predicted loss is at most so much."""
    return _search(candidates, most=None, loss=loss)


def _search(
    candidates: Mapping[str, Sequence[Candidate]], *, most: int | None, loss: float
) -> dict[str, Candidate]:
    hulls = {key: _hull(each) for key, each in candidates.items()}
    places = dict.fromkeys(hulls, 0)
    size = sum(hull[0].bytes for hull in hulls.values())
    total = sum(hull[0].loss for hull in hulls.values())
    steps = [_step(key, hull, 0) for key, hull in hulls.items() if len(hull) > 1]
    heapq.heapify(steps)
    while steps and total > loss:
        _, key, added, saved = heapq.heappop(steps)
        if most is not None and size + added > most:
            continue  # a smaller weight may still have room
        places[key] += 1
        size, total = size + added, total - saved
        if places[key] + 1 < len(hulls[key]):
            heapq.heappush(steps, _step(key, hulls[key], places[key]))
    return {key: hull[places[key]] for key, hull in hulls.items()}


def _step(key: str, hull: Sequence[Candidate], place: int) -> tuple[float, str, int, float]:
    """The step from one format to the next: its (negative) gain, the weight, bytes added, loss saved."""
    before, after = hull[place], hull[place + 1]
    added, saved = after.bytes - before.bytes, before.loss - after.loss
    return -saved / added, key, added, saved


def _hull(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The formats on the lower convex hull of loss over bytes, the smallest first."""
    hull: list[Candidate] = []
    for each in sorted(candidates, key=lambda one: (one.bytes, one.loss)):
        if hull and each.loss >= hull[-1].loss:
            continue
        while len(hull) > 1 and _gain(hull[-2], each) >= _gain(hull[-2], hull[-1]):
            hull.pop()
        hull.append(each)
    return hull


def _gain(before: Candidate, after: Candidate) -> float:
    return (before.loss - after.loss) / (after.bytes - before.bytes)
