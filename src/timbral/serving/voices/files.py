"""Voice files as bytes: what the object store holds, and what clients send and get."""

import tempfile
from pathlib import Path

from timbral.errors import VoiceError
from timbral.voices import SUFFIX, Voice


def to_bytes(voice: Voice) -> bytes:
    """Content of the .voice file of a voice."""
    with tempfile.TemporaryDirectory(prefix="timbral-") as folder:
        path = Path(folder) / f"voice{SUFFIX}"
        voice.save(path)
        return path.read_bytes()


def from_bytes(content: bytes) -> Voice:
    """The voice of a file's content. Raises VoiceError: not a voice file, damaged, of a newer format."""
    with tempfile.TemporaryDirectory(prefix="timbral-") as folder:
        path = Path(folder) / f"voice{SUFFIX}"
        path.write_bytes(content)
        try:
            return Voice.load(path)
        except VoiceError as error:
            # Where it lay for a moment is no concern of the client's.
            raise VoiceError(str(error).replace(str(path), "the voice file")) from None
