"""Constants of the official versions that their checkpoints do not hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from timbral.nets.spectrogram import V3, V4, SpectrogramConfig

SAMPLE_RATE = 32000
HOP = 640
"""Of v1 to v2ProPlus: Hz, and samples a frame."""

LANGUAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"v1": ("zh", "en", "ja"), "v2": ("zh", "en", "ja", "ko", "yue")}
)
"""Languages of the training data, by symbol table."""


@dataclass(frozen=True)
class MelFamily:
    """What distinguishes v3 and v4.

    spectrogram: of the mel. mel_rate: frames of mel for each frame of the prior. reference_frames,
    chunk_frames: of mel, in the prompt of a chunk, and of prompt and chunk together. steps: of the solver.
    sample_rate, vocoder_hop: Hz of the sound, and its samples per frame of mel.
    """

    spectrogram: SpectrogramConfig
    mel_rate: float
    reference_frames: int
    chunk_frames: int
    steps: int
    sample_rate: int
    vocoder_hop: int


MEL_FAMILIES: Mapping[str, MelFamily] = MappingProxyType(
    {
        "v3": MelFamily(V3, 1.875, 468, 934, 32, 24000, 256),
        "v4": MelFamily(V4, 2.0, 500, 1000, 8, 48000, 480),
    }
)


def symbols_of(version: str | None) -> Literal["v1", "v2"]:
    """The symbol table of a stage two."""
    return "v1" if version == "v1" else "v2"
