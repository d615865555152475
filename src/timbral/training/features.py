"""Features of recordings from the networks of a model, cached by content.

The cache key is a hash of recording, text and model, so a repeated or resumed run reads the cache. Spectra
are not cached, since computing them is faster than reading them.
"""

import hashlib
from collections.abc import Sequence
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
from timbral.models import Bundle, files
from timbral.nets.spectrogram import TIMBRE, V3, V4, linear_spectrogram, log_mel, normalized
from timbral.paths import sha256
from timbral.text.symbols import phone_ids
from timbral.training.settings import family_of
from timbral.training.task import ProgressCallback

_FORMAT = "2"
_ENCODER_RATE = 16_000
_LONGEST = 120.0
"""Seconds; memory of the encoders is quadratic in the length."""
_PEAK = 0.95
_SILENT = 1e-3
_ENCODERS = (
    files.CONTENT,
    "content.weights",
    files.SPEAKER,
    "speaker.weights",
    files.BERT,
    "bert.weights",
    files.G2PW,
)
_MELS = {"v3": V3, "v4": V4}


@dataclass(frozen=True)
class Features:
    """One recording.

    samples: float [n] at 32 kHz. tokens: int64 [T], 25 a second. phones: int64 [P], a full stop without a
    transcript. text: whether there is a transcript. bert: float16 [P, 1024], speaker: float [S], mel:
    normalised, float [bands, M], each where the model uses it.
    """

    samples: Tensor
    tokens: Tensor
    phones: Tensor
    text: Tensor
    bert: Tensor | None = None
    speaker: Tensor | None = None
    mel: Tensor | None = None


class FeatureExtractor:
    """Extracts features with the networks of a model, which are opened when a recording is not in the cache."""

    def __init__(self, bundle: Bundle, cache: Path, options: SessionOptions | None = None) -> None:
        """cache: folder of the cached features."""
        self._bundle, self._cache = bundle, cache
        self._options = options or SessionOptions(device="cpu")
        listed = bundle.manifest.files
        encoders = [f"{name} {listed[name].sha256}" for name in _ENCODERS if name in listed]
        manifest = bundle.manifest
        self._model = "\n".join([_FORMAT, manifest.version, manifest.symbols, *encoders])
        self._opened: _Networks | None = None

    def extract(
        self, recordings: Sequence[Line], on_progress: ProgressCallback
    ) -> tuple[dict[str, Features], list[str]]:
        """Features of all usable recordings by their cache key, and the problems of the others.

        Raises TrainingError: no recording is usable.
        """
        found: dict[str, Features] = {}
        problems = []
        for number, recording in enumerate(recordings):
            on_progress("extracting features", number / len(recordings))
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
        self.frontend = Frontend.open(bundle, options)
        self.content = Graph(bundle.path(files.CONTENT), ("audio",), ("tokens",), options)
        self.speaker = None
        if bundle.has(files.SPEAKER):
            self.speaker = Graph(bundle.path(files.SPEAKER), ("audio",), ("speaker",), options)

    def features(self, recording: Line) -> Features:
        samples, rate = read(recording.audio, longest=_LONGEST, advice="cut it into sentences")
        # As in the official code, half of each recording is normalised to the same peak.
        peak = float(np.abs(samples).max())
        if peak < _SILENT:
            raise AudioError("silent")
        full = resample(samples, rate, TIMBRE.rate) * np.float32(0.5 + 0.5 * _PEAK / peak)
        audio = {"audio": resample(full, TIMBRE.rate, _ENCODER_RATE)[None]}
        (tokens,) = self.content(audio)
        phones, bert = self._read(recording)
        speaker = self.speaker(audio)[0][0] if self.speaker else None
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
        utterance = self.frontend.transcript(recording.text, recording.language)
        return utterance.ids, self.frontend.features(utterance)

    def _mel(self, full: NDArray[np.float32]) -> Tensor | None:
        shape = _MELS.get(family_of(self.manifest))
        if shape is None:
            return None
        sound = torch.from_numpy(resample(full, TIMBRE.rate, shape.rate))[None]
        return normalized(log_mel(linear_spectrogram(sound, shape), shape))[0]
