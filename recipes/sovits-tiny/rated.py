"""The takes that takes.py drew and rated."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

WORST = -10.0
"""Ratings below are of takes that did not end; nothing is learned from them."""


def read_rated(folder: Path) -> Iterator[tuple[np.ndarray, list[np.ndarray], np.ndarray]]:
    """Of each piece: its phones [n], its takes [T] that ended, and their ratings [takes]."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            phones = np.split(file["phones"], np.cumsum(file["phone_lengths"])[:-1])
            tokens = np.split(file["tokens"], np.cumsum(file["token_lengths"])[:-1])
            rated = file["ratings"]
        count = rated.shape[1]
        for i, (piece, ratings) in enumerate(zip(phones, rated, strict=True)):
            ended = np.flatnonzero(ratings > WORST)
            yield piece, [tokens[i * count + k] for k in ended], ratings[ended]
