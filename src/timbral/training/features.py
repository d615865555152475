"""What the networks of a model hear and read in recordings, worked out once and kept by content.

The same file, text and model give the same features, so a run that is repeated, resumed or changed does not hear again. The
spectrum is not kept: it is made of the sound sooner than it is read.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from timbral.audio import read
from timbral.audio.resampling import resample
from timbral.data.listing import Line
from timbral.errors import AudioError, TextError, TrainingError
from timbral.inference.frontend import Frontend
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import Bundle
from timbral.nets.spectrogram import TIMBRE, V3, V4, linear_spectrogram, log_mel, normalized
from timbral.paths import sha256
from timbral.text.symbols import phone_ids
from timbral.training.settings import family_of

_FORMAT = "1"
_HEARD_AT = 16_000
_LONGEST = 120.0
"""Seconds; hearing takes memory in proportion to their square."""
_PEAK = 0.95
_SILENT = 1e-3
_HEARING = (
    "content.onnx",
    "content.weights",
    "speaker.onnx",
    "speaker.weights",
    "bert.onnx",
    "bert.weights",
    "g2pw.onnx",
)
_MELS = {"v3": V3, "v4": V4}


@dataclass(frozen=True)
class Features:
    """One recording.

    samples: float [n] at 32 kHz. tokens: int64 [T], 25 a second. phones: int64 [P], a full stop where the text is not known;
    text: whether it is. bert: float16 [P, 1024], where the model has it. speaker: float [S], where the model wants it.
    mel: normalised, float [bands, M], for v3 and v4.
    """

    samples: Tensor
    tokens: Tensor
    phones: Tensor
    text: Tensor
    bert: Tensor | None = None
    speaker: Tensor | None = None
    mel: Tensor | None = None


class Hearer:
    """The networks of a model that hear recordings and read texts; opened when the first recording is not known yet."""

    def __init__(self, bundle: Bundle, cache: Path, options: SessionOptions | None = None) -> None:
        """cache: folder in which features are kept."""
        self._bundle, self._cache = bundle, cache
        self._options = options or SessionOptions(device="cpu")
        files = bundle.manifest.files
        heard = [f"{name} {files[name].sha256}" for name in _HEARING if name in files]
        manifest = bundle.manifest
        self._model = "\n".join([_FORMAT, manifest.version, manifest.symbols, manifest.reading, *heard])
        self._opened: _Networks | None = None

    def hear(
        self, recordings: Sequence[Line], on_progress: Callable[[str, float], None]
    ) -> tuple[dict[str, Features], list[str]]:
        """Features of all recordings that can be used, by their key, and what is wrong with the others.

        Raises TrainingError: none can be used.
        """
        found: dict[str, Features] = {}
        problems = []
        for number, recording in enumerate(recordings):
            on_progress("hearing", number / len(recordings))
            try:
                key = self._key(recording)
                found[key] = self._features(recording, key)
            except (AudioError, TextError) as error:
                problems.append(f"{recording.audio.name}: {error}")
            except OSError as error:
                problems.append(f"{recording.audio.name}: cannot be read ({error.strerror or error})")
        if not found:
            raise TrainingError(
                f"no recording can be used; {problems[0] if problems else 'the list is empty'}"
            )
        return found, problems

    def _key(self, recording: Line) -> str:
        parts = (self._model, sha256(recording.audio), recording.language, recording.text)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    def _features(self, recording: Line, key: str) -> Features:
        path = self._cache / f"{key}.safetensors"
        if path.is_file():
            try:
                return Features(**load_file(path))
            except (SafetensorError, TypeError, OSError):
                path.unlink(missing_ok=True)
        if self._opened is None:
            self._opened = _Networks(self._bundle, self._options)
        features = self._opened.features(recording)
        self._cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        held = {field.name: getattr(features, field.name) for field in fields(features)}
        save_file({name: tensor.contiguous() for name, tensor in held.items() if tensor is not None}, part)
        part.replace(path)
        return features


class _Networks:
    def __init__(self, bundle: Bundle, options: SessionOptions) -> None:
        self.manifest = bundle.manifest
        self.reader = Frontend.open(bundle, options)
        self.content = Graph(bundle.path("content.onnx"), ("audio",), ("tokens",), options)
        self.speaker = None
        if "speaker.onnx" in bundle.manifest.files:
            self.speaker = Graph(bundle.path("speaker.onnx"), ("audio",), ("speaker",), options)

    def features(self, recording: Line) -> Features:
        samples, rate = read(recording.audio, longest=_LONGEST, advice="cut it into sentences")
        # Officially half of each recording is brought to the same peak before anything hears it.
        peak = float(np.abs(samples).max())
        if peak < _SILENT:
            raise AudioError("silent")
        full = resample(samples, rate, TIMBRE.rate) * np.float32(0.5 + 0.5 * _PEAK / peak)
        heard = {"audio": resample(full, TIMBRE.rate, _HEARD_AT)[None]}
        (tokens,) = self.content(heard)
        phones, bert = self._read(recording)
        speaker = self.speaker(heard)[0][0] if self.speaker else None
        return Features(
            samples=torch.from_numpy(full),
            tokens=torch.from_numpy(tokens[0]),
            phones=torch.from_numpy(phones),
            text=torch.tensor(bool(recording.text)),
            bert=None if bert is None else torch.from_numpy(bert).half(),
            speaker=None if speaker is None else torch.from_numpy(speaker),
            mel=self._mel(full),
        )

    def _read(self, recording: Line) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
        """Phones and their BERT features."""
        if not recording.text:
            return phone_ids(["."], self.manifest.symbols), None
        utterance = self.reader.transcript(recording.text, recording.language)
        return utterance.ids, self.reader.features(utterance)

    def _mel(self, full: NDArray[np.float32]) -> Tensor | None:
        shape = _MELS.get(family_of(self.manifest))
        if shape is None:
            return None
        sound = torch.from_numpy(resample(full, TIMBRE.rate, shape.rate))[None]
        return normalized(log_mel(linear_spectrogram(sound, shape), shape))[0]
