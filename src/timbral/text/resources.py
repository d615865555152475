"""Reads the dictionaries and word lists of the folder `data`; nothing in them is ever executed."""

import io
import lzma
from importlib.resources import files
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def read_text(name: str) -> str:
    """A UTF-8 text, unpacked if it is xz-compressed."""
    return _read(name).decode("utf-8")


def read_lines(name: str) -> list[str]:
    """The lines of a text without comments, which start with #."""
    return [line for line in read_text(name).splitlines() if not line.startswith("#")]


def read_arrays(name: str) -> dict[str, Array]:
    """The arrays of an .npz file, unpacked if it is xz-compressed."""
    with np.load(io.BytesIO(_read(name)), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def join_planes(planes: Array) -> np.ndarray[Any, np.dtype[np.int16]]:
    """int16 values stored as low bytes and high bytes, uint8 [2, ...] (which compresses better).

    As int16 [...].
    """
    joined: np.ndarray[Any, np.dtype[np.int16]] = (planes[1].astype(np.uint16) << 8 | planes[0]).view(
        np.int16
    )
    return joined


def _read(name: str) -> bytes:
    stored = (files("timbral.text") / "data" / name).read_bytes()
    return lzma.decompress(stored) if name.endswith(".xz") else stored
