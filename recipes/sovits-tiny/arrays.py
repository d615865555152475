"""Files of arrays, written atomically and read memory-mapped."""

import json
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SAMPLES_PER_TOKEN = 960
FRAMES_PER_TOKEN = 4


@dataclass
class Utterance:
    """An utterance of T tokens of 40 ms, with arrays that are views into a memory-mapped file.

    audio: int16 [960 T] at 24 kHz; content: float16 [T, 512]; f0: Hz [4 T]; confidence: float16, of voicing
    [4 T]; speaker: GE2E embedding [256]; meta: id, lang, speaker, text, corpus.
    """

    meta: dict
    audio: np.ndarray
    content: np.ndarray
    f0: np.ndarray
    confidence: np.ndarray
    speaker: np.ndarray

    @property
    def voiced(self) -> np.ndarray:
        return self.confidence > 0.5

    @property
    def mean_pitch(self) -> float:
        """Mean log2 F0 of the voiced frames."""
        return float(np.log2(self.f0[self.voiced]).mean()) if self.voiced.any() else 7.5


def write(path: Path, **arrays: np.ndarray) -> None:
    """Writes a file for `numpy.load` atomically."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    part.replace(path)


def parts(values: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Splits concatenated arrays by their lengths."""
    return np.split(values, np.cumsum(lengths)[:-1])


def read(folder: Path) -> list[Utterance]:
    """All utterances of the shards that features.py wrote into a folder, in a fixed order."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        shard = mapped(path)
        metas = json.loads(shard["meta"].tobytes())
        ends = np.cumsum(shard["lengths"]).tolist()
        speakers = shard["speaker"].reshape(-1, 256)
        for i, (meta, end) in enumerate(zip(metas, ends, strict=True)):
            start = 0 if i == 0 else ends[i - 1]
            frames = slice(start * FRAMES_PER_TOKEN, end * FRAMES_PER_TOKEN)
            found.append(
                Utterance(
                    meta,
                    shard["audio"][start * SAMPLES_PER_TOKEN : end * SAMPLES_PER_TOKEN],
                    shard["content"][start:end],
                    shard["f0"][frames],
                    shard["confidence"][frames],
                    speakers[i],
                )
            )
    return found


def mapped(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file of `write`, memory-mapped; they are stored uncompressed."""
    found = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for member in archive.infolist():
            # The local header: 26 bytes, the lengths of name and extra field, then these two.
            file.seek(member.header_offset + 26)
            file.seek(sum(struct.unpack("<HH", file.read(4))), 1)
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            data = np.memmap(file, np.uint8, "r", file.tell(), (dtype.itemsize * int(np.prod(shape)),))
            # As plain arrays: each slice of a memmap would pay for being one.
            found[Path(member.filename).stem] = np.asarray(data).view(dtype).reshape(shape)
    return found
