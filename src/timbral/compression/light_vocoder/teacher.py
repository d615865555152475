"""What the vocoder of a bundle makes of what it is given: crops of its input and its samples, cached on disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timbral.compression.distillation.cache import Arrays, cached
from timbral.compression.light_vocoder.settings import LightVocoderSettings
from timbral.compression.speech import references
from timbral.compression.step import OnProgress
from timbral.errors import CompressionError
from timbral.inference.loading import open_semantic
from timbral.inference.reference_encoder import ReferenceEncoder
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import Bundle, FlowMatching, Vits, files
from timbral.training.sampled_tokens import sample_tokens, sentences

_SHARD = 32
_SECONDS = 1.0
"""Length of a crop."""
_SPOKEN = 24
"""Sentences of each language from which latents are made."""


@dataclass(frozen=True)
class VocodedCrop:
    """Input of a vocoder float [C, F], timbre float [D], empty for none, and samples float [F * hop]."""

    frames: Tensor
    timbre: Tensor
    samples: Tensor


class VocoderTeacher:
    """The vocoder of a bundle of an official family."""

    def __init__(
        self, bundle: Bundle, folder: Path, settings: LightVocoderSettings, on_progress: OnProgress
    ) -> None:
        """Raises CompressionError: the family has no vocoder that could be exchanged."""
        shape = bundle.manifest.acoustic
        if shape.kind == "source-filter":
            raise CompressionError(
                f"{bundle.manifest.name} has no vocoder to exchange: its sound comes from a source-filter model"
            )
        self.bundle, self.shape, self.settings = bundle, shape, settings
        self._folder, self._on_progress = folder, on_progress
        self._options = SessionOptions(device="cpu", engine="onnxruntime")
        inputs = ("latent", "timbre") if shape.kind == "vits" else ("mel",)
        self._vocoder = Graph(bundle.path(files.VOCODER), inputs, ("audio",), self._options)
        self.channels: int = self._vocoder.input_shape(inputs[0])[1]

    @cached_property
    def crops(self) -> list[VocodedCrop]:
        """All crops."""
        shards = -(-self.settings.crops // _SHARD)
        rows = cached(
            self._folder, "crops", shards, self._speak, lambda share: self._on_progress("vocoding", share)
        )
        return [
            VocodedCrop(
                torch.from_numpy(row["frames"].copy()).float().T.contiguous(),
                torch.from_numpy(row["timbre"].copy()),
                torch.from_numpy(row["samples"].copy()).float(),
            )
            for row in rows
        ]

    @property
    def hop(self) -> int:
        """Samples of a frame of the vocoder's input."""
        first = self.crops[0]
        return len(first.samples) // first.frames.shape[1]

    def _speak(self, number: int) -> list[Arrays]:
        chance = np.random.default_rng([self.settings.seed, number])
        count = min(_SHARD, self.settings.crops - number * _SHARD)
        return [self._crop(chance) for _ in range(count)]

    def _crop(self, chance: np.random.Generator) -> Arrays:
        frames, timbre = self._sources[int(chance.integers(len(self._sources)))]
        length = min(frames.shape[1], round(_SECONDS * self._frame_rate))
        start = int(chance.integers(frames.shape[1] - length + 1))
        crop = np.ascontiguousarray(frames[:, start : start + length])
        if self.shape.kind == "vits":
            timbre = self._timbres[int(chance.integers(len(self._timbres)))]
            (audio,) = self._vocoder({"latent": crop[None], "timbre": timbre[None]})
        else:
            (audio,) = self._vocoder({"mel": crop[None]})
        return {"frames": crop.T, "timbre": timbre, "samples": audio[0]}

    @property
    def _frame_rate(self) -> float:
        """Frames of the vocoder's input a second."""
        manifest, shape = self.bundle.manifest, self.shape
        rate = manifest.token_rate * shape.frames_per_token
        return rate * shape.mel_rate if shape.kind == "flow-matching" else rate

    @cached_property
    def _encoder(self) -> ReferenceEncoder:
        return ReferenceEncoder.open(self.bundle, self._options)

    @cached_property
    def _references(self) -> list[Any]:
        settings, rates = self.settings, self._encoder.rates
        return [
            each.sounds for each in references(settings.recordings, rates, settings.voices, settings.seed)
        ]

    @cached_property
    def _timbres(self) -> list[NDArray[np.float32]]:
        return [self._encoder.timbre([sounds]) for sounds in self._references]

    @cached_property
    def _sources(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Inputs of the vocoder [C, F], from which crops are taken."""
        if isinstance(self.shape, FlowMatching):
            mels = (self._encoder.mel(sounds) for sounds in self._references)
            return [(mel, np.zeros(0, np.float32)) for mel in mels if mel is not None]
        return list(self._latents(self.shape))

    def _latents(self, shape: Vits) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        inputs = ("tokens", "phones", "timbre", "select", "overlap", "noise")
        graph = Graph(self.bundle.path(files.LATENT), inputs, ("latent",), self._options)
        semantic = open_semantic(self.bundle, self._options)
        chance = np.random.default_rng(self.settings.seed)
        for language, texts in sentences().items():
            if language not in self.bundle.manifest.languages:
                continue
            for phones, tokens in sample_tokens(self.bundle, semantic, texts[:_SPOKEN], language):
                count = shape.frames_per_token * len(tokens)
                noise = chance.standard_normal((1, shape.latent, count)).astype(np.float32)
                timbre = self._timbres[int(chance.integers(len(self._timbres)))]
                (latent,) = graph(
                    {
                        "tokens": tokens[None],
                        "phones": phones[None],
                        "timbre": timbre[None],
                        "select": np.arange(count),
                        "overlap": np.zeros((1, graph.input_shape("overlap")[1], 0), np.float32),
                        "noise": np.float32(shape.noise_scale) * noise,
                    }
                )
                yield latent[0], timbre
