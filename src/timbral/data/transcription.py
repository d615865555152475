"""What a recogniser of speech is to this room, and how one is found by name.

Another recogniser joins by `register`: a class with a name and one method is enough.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from timbral.errors import SettingError
from timbral.paths import is_folder

RATE = 16_000
"""Hz of the samples that recognisers get."""

NONE, WHISPER = "none", "whisper"
"""Names: no transcripts, for stage two learns without any; and the best Whisper at hand."""


@dataclass(frozen=True)
class Transcript:
    """What was heard in a clip.

    language: one of `timbral.data.language.LANGUAGES`. probability: that it is this one among them. foreign: the name of
    another language that was heard instead, mostly empty. confidence: natural logarithm of the words' mean
    probability; 0 where a recogniser does not tell. silence: probability that nobody speaks.
    """

    text: str
    language: str
    probability: float = 1.0
    foreign: str = ""
    confidence: float = 0.0
    silence: float = 0.0


class Transcriber(Protocol):
    """Writes down what is said."""

    @property
    def name(self) -> str:
        """What tells its transcripts from those of others: they are made again when it changes."""

    def transcribe(self, clips: Sequence[NDArray[np.float32]], language: str | None) -> Sequence[Transcript]:
        """The words of each clip, samples [n] at RATE; language None: to be found out for each.

        The clips follow each other in one recording and last some minutes at most, so each may help with the next.
        """


Factory = Callable[[], Transcriber]
_FACTORIES: dict[str, Factory] = {}


def register(name: str, factory: Factory) -> None:
    """Makes a recogniser known by name, in place of an earlier one of that name; opened when first needed."""
    _FACTORIES[name] = factory


def open_transcriber(name: str) -> Transcriber | None:
    """The recogniser that `name` stands for; None for `none`.

    A registered name, `whisper`, the name of a published model such as `small` or `large-v3-turbo`, or a folder with
    Whisper in the form of CTranslate2. Raises SettingError, InstallationError, BundleError, HubError.
    """
    from timbral.data import whisper

    if name == NONE:
        return None
    if name in _FACTORIES:
        return _FACTORIES[name]()
    if is_folder(name):
        return whisper.Whisper(Path(name))
    if name == WHISPER:
        return whisper.Whisper(whisper.default_model())
    if name in whisper.published_models():
        return whisper.Whisper(whisper.download(name))
    known = ", ".join([NONE, WHISPER, *sorted(_FACTORIES), *whisper.published_models()])
    raise SettingError(f"transcriber {name[:80]!r} is neither a folder nor known; choose from {known}")
