"""Shards of examples on disk: each is written whole, and made again only where it is missing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.paths import atomic_write

Arrays = Mapping[str, NDArray[Any]]
"""An example: arrays by name; the first axis of each may differ between examples."""
_LENGTHS = "/lengths"


def cached(
    folder: Path,
    name: str,
    shards: int,
    make: Callable[[int], Sequence[Arrays]],
    on_progress: Callable[[float], None],
) -> Iterator[Arrays]:
    """The examples of all shards, in order. make: the examples of a shard; it must be deterministic."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        on_progress(number / shards)
        path = folder / f"{name}-{number:04}.npz"
        if not path.is_file():
            examples = make(number)
            with atomic_write(path) as part, part.open("wb") as file:
                np.savez(file, **_joined(examples))  # type: ignore[arg-type]
        yield from _split(path)


def _joined(examples: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
    joined: dict[str, NDArray[Any]] = {}
    for key in examples[0] if examples else ():
        parts = [example[key] for example in examples]
        joined[key] = np.concatenate(parts)
        joined[key + _LENGTHS] = np.array([len(part) for part in parts])
    return joined


def _split(path: Path) -> Iterator[Arrays]:
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    names = [key for key in arrays if not key.endswith(_LENGTHS)]
    rows = {key: np.split(arrays[key], np.cumsum(arrays[key + _LENGTHS])[:-1]) for key in names}
    for number in range(len(next(iter(rows.values()), ()))):
        yield {key: parts[number] for key, parts in rows.items()}
