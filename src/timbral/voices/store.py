"""The user's voices by name: .voice files in one folder."""

import unicodedata
from pathlib import Path

from timbral.errors import VoiceError
from timbral.paths import data_folder, is_device_name, is_plain_name
from timbral.voices.voice import SUFFIX, Voice


def voices_folder() -> Path:
    """The folder of named voices, which need not exist."""
    return data_folder() / "voices"


def voice_path(name: str) -> Path:
    """Where the voice of this name is or would be. Raises VoiceError for a name no file may have."""
    name = unicodedata.normalize("NFC", name)
    if is_device_name(name):
        raise VoiceError(f"{name!r} cannot name a voice, as Windows has reserved it; choose another name")
    if not is_plain_name(name) or len(name.encode()) > 200:
        raise VoiceError(f"{name!r} cannot name a voice; use letters, digits, spaces, '-', '_' and '.'")
    return voices_folder() / f"{name}{SUFFIX}"


def keep(voice: Voice, name: str) -> Path:
    """Saves a voice under a name, in place of an earlier one. Raises VoiceError."""
    path = voice_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    voice.save(path)
    return path


def recall(name: str) -> Voice:
    """The voice of this name. Raises VoiceError, which lists the known ones."""
    path = voice_path(name)
    if not path.is_file():
        raise VoiceError(f"no voice named {name!r}; {_known()}")
    return Voice.load(path)


def forget(name: str) -> None:
    """Removes the voice of this name. Raises VoiceError."""
    path = voice_path(name)
    if not path.is_file():
        raise VoiceError(f"no voice named {name!r}; {_known()}")
    path.unlink()


def names() -> list[str]:
    """Names of all voices, in order."""
    folder = voices_folder()
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def _known() -> str:
    known = names()
    if not known:
        return "there is none yet: `timbral clone me.wav --name me` makes one"
    return f"known are {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}"
