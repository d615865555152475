"""Reads the packed dictionaries of the folder `data`; they are xz-compressed and never executed."""

import io
import lzma
from importlib.resources import files
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def read_lines(name: str) -> list[str]:
    """Lines of an xz-compressed UTF-8 text."""
    return lzma.decompress((files("timbral.text") / "data" / name).read_bytes()).decode("utf-8").splitlines()


def read_arrays(name: str) -> dict[str, Array]:
    """Arrays of an xz-compressed .npz file."""
    packed = (files("timbral.text") / "data" / name).read_bytes()
    with np.load(io.BytesIO(lzma.decompress(packed)), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def join_planes(planes: Array) -> np.ndarray[Any, np.dtype[np.int16]]:
    """int16 values stored as low bytes and high bytes, uint8 [2, ...] (which compresses better).

    As int16 [...].
    """
    joined: np.ndarray[Any, np.dtype[np.int16]] = (planes[1].astype(np.uint16) << 8 | planes[0]).view(
        np.int16
    )
    return joined
