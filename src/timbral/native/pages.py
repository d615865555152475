"""Memory for caches, of which mostly a small part is ever used."""

import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pages(shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[Any]:
    """Zeros whose pages take memory only once they are written: numpy's own may come in pages of 2 MB.

    A process that is forked has its own from then on.
    """
    size = np.dtype(kind).itemsize * math.prod(shape)
    if hasattr(mmap, "MAP_PRIVATE"):
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    else:
        memory = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    array: NDArray[Any] = np.ndarray(shape, kind, memory)
    return array
