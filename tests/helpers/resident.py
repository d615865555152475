"""How much memory this process holds now; its peak would be that of whichever test came before."""

import gc
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

_STATUS = Path("/proc/self/statm")

needs_resident_size = pytest.mark.skipif(
    not _STATUS.exists(), reason="reads the resident size as Linux tells it"
)


def resident_mb() -> float:
    """MB of memory in use, after what is no longer needed has been let go."""
    gc.collect()
    pages = int(_STATUS.read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def steady_growth_mb(work: Callable[[], object], times: int = 4) -> float:
    """MB that every turn of the work adds: the least growth of its turns but the first, which warms up.

    The allocator of a process that ran other tests may take a few MB at any moment; a leak takes them each time.
    """
    sizes = []
    for _ in range(times):
        work()
        sizes.append(resident_mb())
    return min(after - before for before, after in pairwise(sizes))
