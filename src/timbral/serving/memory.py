"""Keeps the memory of a server with many threads flat."""

import ctypes
import sys

_M_ARENA_MAX = -8
"""Name of the parameter in glibc's malloc.h."""
_ARENAS = 2


def limit_arenas() -> None:
    """Bounds the heaps of glibc, which otherwise gives each of dozens of threads one of its own that it never shrinks.

    Called before there are threads; does nothing where the C library is another one.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(_M_ARENA_MAX, _ARENAS)
