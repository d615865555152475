"""How much memory this process holds now; its peak would be that of whichever test came before."""

import gc
import os
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
