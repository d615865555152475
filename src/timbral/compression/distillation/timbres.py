"""Timbre vectors of sovits-tiny for a student to learn: of recordings, and of what lies between and around them.

A student that has heard few voices clones others badly. Timbres are therefore mixed of two known ones and
varied; the teacher speaks in any of them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.audio import read_reference
from timbral.audio.reading import RECORDING_SUFFIXES
from timbral.audio.source_filter import BANDS, SPEAKER
from timbral.errors import AudioError, CompressionError
from timbral.inference.reference_encoder import ReferenceEncoder

Timbres = NDArray[np.float32]

_LENGTH = 16.0
"""Norm of the speaker embedding in a timbre vector."""
_MIXED = 0.6
"""Share of the timbres that are a mixture of two."""
_PITCH = 0.2
"""Octaves of F0: the deviation of what is added."""
_COLOUR = 0.25
"""Nepers of the spectrum, likewise; it varies over the whole band."""
_SPEAKER = 0.25
"""Deviation of what is added to the speaker embedding, relative to its length."""
_WAVES = 6
_SPARSE = 0.5
"""Deviations that an entry of an invented speaker embedding has to exceed; those of recordings have many zeros."""


def recordings_in(folder: Path) -> list[Path]:
    """Recordings in a folder and below it. Raises CompressionError: there are none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in RECORDING_SUFFIXES)
    if not found:
        raise CompressionError(f"{folder} holds no recordings; give a folder of wav, flac or ogg files")
    return found


def timbres_of(recordings: Iterable[Path], encoder: ReferenceEncoder) -> list[NDArray[np.float32]]:
    """Timbres of the usable ones among recordings."""
    found = []
    for path in recordings:
        try:
            found.append(encoder.timbre([read_reference(path, *encoder.rates).sounds]))
        except AudioError:
            continue
    return found


def invented(
    voice: NDArray[np.float32], count: int, chance: np.random.Generator
) -> list[NDArray[np.float32]]:
    """Timbres of nobody, around that of a voice: for who has no recordings."""
    found = []
    for _ in range(count):
        timbre = voice.astype(np.float64)
        speaker = np.maximum(chance.standard_normal(SPEAKER) - _SPARSE, 0.0)
        timbre[:SPEAKER] = speaker * (_LENGTH / np.linalg.norm(speaker))
        timbre[SPEAKER : SPEAKER + BANDS] += 2 * _COLOUR * _waves(chance)
        timbre[-1] = chance.uniform(6.6, 8.1)
        found.append(timbre.astype(np.float32))
    return found


def varied(known: Sequence[NDArray[np.float32]], chance: np.random.Generator) -> NDArray[np.float32]:
    """A timbre between and around known ones."""
    first, second = (known[int(chance.integers(len(known)))] for _ in range(2))
    share = float(chance.random()) if chance.random() < _MIXED else 0.0
    timbre = np.asarray((1 - share) * first + share * second, np.float64)
    speaker, spectrum = slice(0, SPEAKER), slice(SPEAKER, SPEAKER + BANDS)
    noise = chance.standard_normal(SPEAKER) * np.sqrt(np.mean(timbre[speaker] ** 2))
    moved = np.maximum(timbre[speaker] + _SPEAKER * chance.random() * noise, 0.0)
    timbre[speaker] = moved * (_LENGTH / max(1e-6, float(np.linalg.norm(moved))))
    timbre[spectrum] += _COLOUR * chance.random() * _waves(chance)
    timbre[-1] = np.clip(timbre[-1] + _PITCH * chance.standard_normal(), 6.0, 9.0)
    return timbre.astype(np.float32)


def _waves(chance: np.random.Generator) -> NDArray[np.float64]:
    """A smooth random spectrum [BANDS] of deviation 1 or so."""
    places = np.linspace(0, np.pi, BANDS)
    shapes = np.cos(places[:, None] * np.arange(1, _WAVES + 1))
    spectrum: NDArray[np.float64] = shapes @ chance.standard_normal(_WAVES) / np.sqrt(_WAVES)
    return spectrum
