"""What speaks for the server: a pool of models in this process, or on other machines."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol

from timbral.config import GenerationConfig
from timbral.inference.stream import Report, SpeechChunk
from timbral.models import Bundle
from timbral.voices import Consent, Voice


class ChunkStream(Protocol):
    """The chunks of one speech, in order; see SpeechStream."""

    rate: int

    def __next__(self) -> SpeechChunk:
        """The next chunk."""

    def __enter__(self) -> "ChunkStream":
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops the synthesis and frees what it holds."""

    def cancel(self) -> None:
        """Stops the synthesis from another thread."""

    @property
    def report(self) -> Report | None:
        """What the speech has cost so far, where that is known."""


class Model(Protocol):
    """A model that speaks and clones; see Synthesizer."""

    def stream(self, text: str, voice: Voice, language: str, config: GenerationConfig | None) -> ChunkStream:
        """Speaks a text as chunks."""

    def clone(
        self,
        *recordings: bytes,
        text: str | None = None,
        language: str = "auto",
        consent: Consent | None = None,
    ) -> Voice:
        """A voice from recordings."""


class Pool(Protocol):
    """Models by name; see ModelPool."""

    def known(self) -> dict[str, Bundle]:
        """Every model that can be spoken with, by name."""

    def fitting(self, voice: Voice, model: str) -> str:
        """The name of a model that fits a voice; `model` where none does."""

    def lease(self, model: str, voice: Voice | None = None) -> AbstractContextManager[Model]:
        """A model, which stays while the block runs. Raises ApiError (404), TimbralError."""

    def pin(self, model: str, pinned: bool) -> None:
        """Keeps a loaded model in memory, or lets it go. Raises ApiError."""

    def status(self) -> dict[str, Any]:
        """What is loaded, as JSON."""
