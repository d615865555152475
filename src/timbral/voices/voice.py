"""Voices and their file: safetensors with JSON metadata, which cannot carry code."""

import json
import math
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from timbral.errors import VoiceError
from timbral.models import Manifest
from timbral.models.weights import Adapter
from timbral.paths import atomic_write, describe_error
from timbral.voices.prosody import Prosody

SUFFIX = ".voice"
STATEMENT = "The speaker has agreed that their voice is cloned from this recording."

_KEY = "timbral_voice"
_LARGEST = 64 << 20
_MOST_TOKENS, _LARGEST_TIMBRE = 10_000, 65_536
_LARGEST_VALUE = 1000.0
"""Beyond what any network gives, and within what all of them can compute with."""
_FEATURES, _BANDS = 1024, 100
"""Width of BERT features, and bands of mel, in all official families."""


class Consent(BaseModel):
    """Who agreed that their voice is cloned, when, and to what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    who: Annotated[str, Field(min_length=1, max_length=200)]
    when: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))
    statement: Annotated[str, Field(min_length=1, max_length=2000)] = STATEMENT

    @classmethod
    def of(cls, who: str) -> "Consent":
        """The usual consent of `who`, given now. Raises VoiceError for a name that cannot be one."""
        try:
            return cls(who=who.strip() if isinstance(who, str) else who)
        except ValidationError:
            raise VoiceError("consent needs the name of the speaker, of 1 to 200 characters") from None


class _Metadata(BaseModel):
    """The JSON of a voice file."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    family: Annotated[str, Field(max_length=64)]
    version: Annotated[str, Field(max_length=64)]
    model: Annotated[str, Field(max_length=64)]
    symbols: Literal["v1", "v2"]
    prompt_text: Annotated[str, Field(max_length=2000)]
    prompt_language: Annotated[str, Field(max_length=8)]
    sources: Annotated[tuple[Annotated[str, Field(max_length=1000)], ...], Field(max_length=100)]
    created: datetime
    consent: Consent | None
    base: Annotated[str, Field(max_length=64)] = ""
    prosody: Prosody | None = None


@dataclass(frozen=True, eq=False)
class Prompt:
    """What of a voice comes from its first recording and the transcript; `Voice` says what each means."""

    prompt_tokens: NDArray[np.int64]
    prompt_phones: NDArray[np.int64]
    prompt_features: NDArray[np.float16] | None = None
    mel: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Voice:
    """A speaker, as conditioning for one family of models.

    timbre: float32 [D]. prompt_tokens, prompt_phones: semantic tokens int64 [T] and phone ids int64 [m] of
    the first recording; empty without a transcript, and then the speaking style is not imitated.
    prompt_features: BERT features of these phones, float16 [m, 1024], for models with BERT. mel: of the first
    recording, normalised, float32 [100, R], for models whose stage two continues it. residuals: float16
    [sounds, 2, points], for `sovits-tiny`: spectral envelopes of sounds in the recordings, and the correction
    of stage two's envelopes at sounds like them. prosody: how the speaker speaks, for models with a duration
    model; None in voices of earlier versions of Timbral. family, version, symbols: the models that it fits; model:
    the one that made it. sources: file names of the recordings. adapter, base: low-rank changes by
    fine-tuning, of the model with this `Manifest.base`; None and "" without.
    """

    timbre: NDArray[np.float32]
    prompt_tokens: NDArray[np.int64]
    prompt_phones: NDArray[np.int64]
    family: str
    version: str
    symbols: Literal["v1", "v2"]
    model: str
    prompt_text: str = ""
    prompt_language: str = "auto"
    sources: tuple[str, ...] = ()
    created: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    consent: Consent | None = None
    prompt_features: NDArray[np.float16] | None = None
    mel: NDArray[np.float32] | None = None
    residuals: NDArray[np.float16] | None = None
    prosody: Prosody | None = None
    adapter: Adapter | None = None
    base: str = ""

    @staticmethod
    def neutral(manifest: Manifest) -> "Voice":
        """A voice in the middle of a model's timbres, for trying the model without a recording."""
        # A model that goes on from a recording gets half a second of silence.
        silent = manifest.acoustic.kind == "flow-matching"
        return Voice(
            timbre=np.zeros(manifest.acoustic.timbre_size, np.float32),
            prompt_tokens=np.zeros(12 if silent else 0, np.int64),
            prompt_phones=np.zeros(1 if silent else 0, np.int64),
            mel=np.full((_BANDS, 45), -1, np.float32) if silent else None,
            family=manifest.family,
            version=manifest.version,
            symbols=manifest.symbols,
            model=manifest.name,
        )

    def save(self, path: str | Path) -> None:
        """Writes a .voice file, wholly or not at all. Raises VoiceError where `path` cannot be written."""
        path = _path(path)
        if path.suffix != SUFFIX:
            raise VoiceError(f"{path}: the name of a voice file has to end in {SUFFIX}")
        known = _Metadata.model_fields.keys() - {"format"}
        described = {name: getattr(self, name) for name in known}
        described["sources"] = tuple(name.encode(errors="replace").decode() for name in self.sources)
        try:
            metadata = _Metadata(**described)
        except ValidationError as error:
            raise VoiceError(f"{path}: {error.errors()[0]['loc'][0]} is too long for a voice file") from None
        # Earlier versions of Timbral read voices that say nothing of it.
        unknown = {"prosody"} if self.prosody is None else None
        held = {name: getattr(self, name) for name in _TENSORS}
        tensors = {name: np.ascontiguousarray(array) for name, array in held.items() if array is not None}
        if self.adapter is not None:
            changes = self.adapter.tensors().items()
            tensors |= {_ADAPTER + name: np.ascontiguousarray(array) for name, array in changes}
        try:
            with atomic_write(path) as part:
                part.write_bytes(to_bytes(tensors, {_KEY: metadata.model_dump_json(exclude=unknown)}))
        except (OSError, ValueError) as error:
            raise _unusable(path, "written", error) from None

    @staticmethod
    def load(path: str | Path) -> "Voice":
        """Reads a .voice file. Raises VoiceError: no such file, not a voice, damaged, of a newer format."""
        path = _path(path)
        with _opened(path) as (file, metadata):
            names = set(file.keys())
            changes = {name for name in names if name.startswith(_ADAPTER)}
            known = _TENSORS.keys() - _OPTIONAL <= names - changes <= _TENSORS.keys()
            _expect(path, known, "not a Timbral voice file")
            tensors = {name: file.get_tensor(name) for name in names - changes}
            adapter = {name.removeprefix(_ADAPTER): file.get_tensor(name) for name in changes}
        described = _described(path, metadata)
        _expect(
            path, bool(adapter) == bool(described["base"]), "its changes and its model do not belong together"
        )
        return Voice(**_checked(path, tensors), **described, adapter=_adapter(path, adapter))

    def __repr__(self) -> str:
        tuned = ", fine-tuned" if self.adapter else ""
        return f"Voice({', '.join(self.sources) or 'no recording'}; for {self.family} {self.version}{tuned})"

    def check_fit(self, manifest: Manifest) -> None:
        """Raises VoiceError where a model cannot speak with this voice."""
        mine, its = (self.family, self.version), (manifest.family, manifest.version)
        if mine != its:
            raise VoiceError(
                f"this voice was made for {' '.join(mine)} and the model {manifest.name} is {' '.join(its)}; "
                "clone it again from its recording with this model"
            )
        fits = (
            self.symbols == manifest.symbols
            and len(self.timbre) == manifest.acoustic.timbre_size
            and self.prompt_tokens.max(initial=0) < manifest.semantic.eos
            and self.prompt_phones.max(initial=0) < manifest.semantic.phonemes
        )
        if manifest.acoustic.kind == "flow-matching":
            fits = fits and self.mel is not None and len(self.prompt_tokens) > 0
        if self.residuals is not None:
            points = manifest.acoustic.envelope if manifest.acoustic.kind == "source-filter" else 0
            fits = fits and self.residuals.shape[2] == points
        if not fits:
            raise VoiceError(f"this voice does not fit the shapes of {manifest.name}; clone it again")
        if self.base not in ("", manifest.base):
            raise VoiceError(
                f"this voice was fine-tuned on {self.model} with other weights than {manifest.name} has; speak with that "
                "model, or fine-tune the voice on this one"
            )


@dataclass(frozen=True)
class VoiceInfo:
    """What a voice file says of itself, read without its tensors. bytes: size of the file."""

    path: Path
    bytes: int
    family: str
    version: str
    model: str
    created: datetime
    consent: Consent | None
    fine_tuned: bool

    @staticmethod
    def read(path: Path) -> "VoiceInfo":
        """Raises VoiceError as `Voice.load` does, but does not look at tensors."""
        with _opened(path) as (_, metadata):
            described = _described(path, metadata)
        names = ("family", "version", "model", "created", "consent")
        facts = {name: described[name] for name in names}
        return VoiceInfo(path, path.stat().st_size, **facts, fine_tuned=bool(described["base"]))


_TENSORS: Mapping[str, tuple[Any, int, int]] = {
    "timbre": (np.float32, 1, _LARGEST_TIMBRE),
    "prompt_tokens": (np.int64, 1, _MOST_TOKENS),
    "prompt_phones": (np.int64, 1, _MOST_TOKENS),
    "prompt_features": (np.float16, 2, _MOST_TOKENS),
    "mel": (np.float32, 2, _MOST_TOKENS),
    "residuals": (np.float16, 3, _MOST_TOKENS),
}
"""Type, dimensions and greatest length of each tensor of a voice file."""
_OPTIONAL = frozenset(("prompt_features", "mel", "residuals"))
_ADAPTER = "adapter/"
"""Before the names of what fine-tuning changes."""


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, str]]:
    """A voice file and its metadata as JSON. Raises VoiceError: unreadable, also within the block."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise VoiceError(f"{path}: a folder, a pipe or a device; a voice file is needed")
        _expect(path, status.st_size <= _LARGEST, "too large for a voice file")
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            _expect(path, _KEY in metadata, "not a Timbral voice file")
            yield file, metadata[_KEY]
    except (OSError, ValueError, SafetensorError) as error:
        raise _unusable(path, "read", error) from None


def _path(path: object) -> Path:
    if not isinstance(path, str | PathLike):
        raise VoiceError(f"the path of a voice file is a {type(path).__name__}: give a str or a Path")
    return Path(path)


def _unusable(path: Path, verb: str, error: Exception) -> VoiceError:
    if isinstance(error, OSError) and error.strerror:
        return VoiceError(f"{describe_error(error, path)}; the voice cannot be {verb}")
    if isinstance(error, SafetensorError):
        return VoiceError(f"{path}: not a voice file, or damaged; clone the voice again")
    return VoiceError(f"{str(path)[:80]!r}: cannot be {verb}; choose another path")


def _adapter(path: Path, tensors: dict[str, NDArray[Any]]) -> Adapter | None:
    for name, tensor in tensors.items():
        small = tensor.dtype != np.float16 or not (np.abs(tensor) > _LARGEST_VALUE).any()
        _expect(path, small, f"{name[:80]} is out of range")
    try:
        return Adapter.of(tensors) if tensors else None
    except ValueError as error:
        raise VoiceError(f"{path}: {error}; train the voice again") from None


def _checked(path: Path, tensors: dict[str, NDArray[Any]]) -> dict[str, Any]:
    for name, tensor in tensors.items():
        dtype, dimensions, longest = _TENSORS[name]
        right = tensor.dtype == dtype and tensor.ndim == dimensions
        _expect(path, right, f"{name} has the wrong type or shape")
        _expect(path, max(tensor.shape) <= longest, f"{name} is too long")
        if dtype is np.int64:
            _expect(path, tensor.min(initial=0) >= 0, f"{name} holds negative numbers")
        else:
            largest = float(np.abs(tensor).max(initial=0)) if tensor.size else math.nan
            _expect(path, largest <= _LARGEST_VALUE, f"{name} is empty, not finite or out of range")
    tokens, phones = tensors["prompt_tokens"], tensors["prompt_phones"]
    _expect(path, bool(len(tokens)) == bool(len(phones)), "prompt tokens and phones do not belong together")
    features, mel = tensors.get("prompt_features"), tensors.get("mel")
    fits = features is None or features.shape == (len(phones), _FEATURES)
    _expect(path, fits, "prompt_features do not belong to the phones")
    _expect(path, mel is None or len(mel) == _BANDS, "mel has the wrong type or shape")
    residuals = tensors.get("residuals")
    _expect(path, residuals is None or residuals.shape[1] == 2, "residuals have the wrong type or shape")
    return tensors


def _described(path: Path, text: str) -> dict[str, Any]:
    try:
        if json.loads(text).get("format") != 1:
            raise VoiceError(f"{path}: made by a newer version of timbral; upgrade timbral")
        metadata = _Metadata.model_validate_json(text)
    except (ValueError, AttributeError, RecursionError, ValidationError):
        raise VoiceError(f"{path}: its description is damaged; clone the voice again") from None
    return {name: getattr(metadata, name) for name in _Metadata.model_fields if name != "format"}


def _expect(path: Path, holds: bool, otherwise: str) -> None:
    if not holds:
        raise VoiceError(f"{path}: {otherwise}; clone the voice again")
