"""Options that several commands take, and what their values stand for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from timbral.errors import SettingError, VoiceError
from timbral.models import Precision

if TYPE_CHECKING:
    from timbral.voices.voice import Voice

Language = Annotated[str, typer.Option("--lang", metavar="LANG", help="auto, zh, en, ja, ko or yue.")]
Model = Annotated[
    str | None, typer.Option(metavar="NAME|DIR", help="Which model; the embedded one by default.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]

RECORDING_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".oga", ".opus", ".aif", ".aiff", ".m4a", ".aac"}


def read_precision(value: str) -> Precision:
    """The precision that --precision names. Raises SettingError."""
    for known in get_args(Precision):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise SettingError(f"precision {value[:40]!r} is unknown; choose from {', '.join(get_args(Precision))}")


def find_voice(value: str, text: str | None) -> "Voice | None":
    """The voice that --voice names, by name or .voice file; None where it is a recording to clone from.

    Raises VoiceError: no such voice; SettingError: a transcript `text` for what is not a recording.
    """
    from timbral.voices import store as voice_store
    from timbral.voices.voice import SUFFIX, Voice

    if not value:
        raise VoiceError("--voice is empty; give the name of a voice, a .voice file or a recording")
    is_file = Path(value).suffix == SUFFIX
    if not is_file and value not in voice_store.names() and _is_recording(value):
        return None
    if text is not None:
        raise SettingError("--ref-text belongs to a recording, and this voice has its own; leave it out")
    return Voice.load(value) if is_file else voice_store.recall(value)


def _is_recording(value: str) -> bool:
    path = Path(value)
    if path.suffix.lower() in RECORDING_SUFFIXES or len(path.parts) > 1:
        return True
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
