"""What a client may choose for a job, and what is kept of its recordings."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field

from timbral.audio.reading import RECORDING_SUFFIXES
from timbral.serving.storage.objects import Objects
from timbral.serving.voices.consents import sha256_of

FOLDER = "jobs"
"""Where recordings of jobs lie in the object store."""

_UNKNOWN = ".audio"
"""Ending of a recording whose name tells nothing: it is read by its content."""
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")


class JobOptions(BaseModel):
    """How a voice is to be made.

    language: of the recordings. model: the one to fine-tune. public: whether every key may speak with the voice.
    epochs: passes over the recordings; None for those of the server. denoise: whether noisy clips are denoised; None: where
    that is installed.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    model: str
    language: str = "auto"
    public: bool = False
    epochs: int | None = Field(None, ge=1, le=100)
    denoise: bool | None = None


@dataclass(frozen=True)
class Upload:
    """A recording of a client. name: as the client calls it, which is never used as a path."""

    name: str
    content: bytes


def store_recordings(objects: Objects, job_id: str, uploads: Sequence[Upload]) -> list[dict[str, str]]:
    """Stores recordings under names of our own; what the record of the job keeps of them."""
    kept = []
    for number, upload in enumerate(uploads):
        key = f"{FOLDER}/{job_id}/{number:03}-{secrets.token_hex(4)}{_suffix(upload.name)}"
        objects.put(key, upload.content)
        name = "".join(c for c in upload.name if c.isprintable())[-100:]
        kept.append({"object": key, "sha256": sha256_of(upload.content), "name": name})
    return kept


def remove_recordings(objects: Objects, job_id: str) -> None:
    """Removes the recordings of a job that is over."""
    for key in objects.keys(f"{FOLDER}/{job_id}"):
        objects.delete(key)


def _suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    known = suffix in RECORDING_SUFFIXES or suffix in {".mp4", ".mkv", ".webm", ".mov"}
    return suffix if known and _SUFFIX.fullmatch(suffix) else _UNKNOWN
