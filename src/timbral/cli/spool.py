"""Finished sentences of a long text on the disk, so that an interrupted `timbral say` can go on after them."""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timbral.cli import terminal
from timbral.errors import AudioError
from timbral.paths import atomic_write, cache_folder, describe_error

if TYPE_CHECKING:
    from timbral import SpeechStream, Voice
    from timbral.inference.stream import SpeechChunk
    from timbral.inference.timestamps import SpokenUtterance

_KEPT = 7 * 86_400
"""Seconds for which what an interrupted command has made can be gone on with."""
_BLOCK = 1 << 20


class Spool:
    """Samples float32 of the first sentences of a speech and when these are spoken, in the user's cache folder.

    sentences: how many are finished; seed: of the speech; samples: of the finished sentences.
    """

    def __init__(self, key: str) -> None:
        """key: names the speech, see `speech_key`. Raises AudioError where the folder cannot be used."""
        folder = cache_folder() / "speeches"
        self._samples, self._state = folder / f"{key}.f32", folder / f"{key}.json"
        self._times = folder / f"{key}.times"
        self.sentences, self.seed, self.samples = 0, 0, 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.iterdir():
                if time.time() - old.stat().st_mtime > _KEPT:
                    old.unlink(missing_ok=True)
            self._read()
        except OSError as error:
            raise AudioError(describe_error(error, folder)) from None

    def restart(self, seed: int) -> None:
        """Forgets what is there."""
        self.remove()
        self.sentences, self.seed, self.samples = 0, seed, 0

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """The samples of the finished sentences, in blocks."""
        if not self.samples:
            return
        with self._samples.open("rb") as file:
            for start in range(0, self.samples, _BLOCK):
                yield np.frombuffer(file.read(4 * min(_BLOCK, self.samples - start)), np.float32)

    def spoken(self) -> "list[SpokenUtterance]":
        """When the finished sentences are spoken."""
        from timbral.inference.timestamps import SpokenUtterance, Timestamp

        lines = self._times.read_text("utf-8").splitlines() if self.sentences else []
        return [
            SpokenUtterance(text, start, end, *(tuple(Timestamp(*one) for one in stamps) for stamps in parts))
            for text, start, end, *parts in map(json.loads, lines)
        ]

    @contextmanager
    def following(self, stream: "SpeechStream") -> Iterator["Spool"]:
        """Takes the samples of a stream: removed when all is done, and noted for the user when it is
        interrupted."""
        self._stream, self._begins = stream, self.samples / stream.rate
        try:
            yield self
        except BaseException:
            if self.sentences:
                terminal.note(f"{self.sentences} sentences are kept; the same command with --resume goes on")
            raise
        self.remove()

    def write(self, chunk: "SpeechChunk") -> None:
        """Appends samples and times. Raises AudioError."""
        sentences = self._stream.finished
        try:
            with self._samples.open("ab") as file:
                file.write(chunk.samples.tobytes())
                length = file.tell() // 4
            times = "".join(json.dumps(astuple(one.later(self._begins))) + "\n" for one in chunk.spoken)
            with self._times.open("ab") as file:
                file.write(times.encode())
                written = file.tell()
            if sentences > self.sentences:
                self.sentences, self.samples = sentences, length
                state = {"seed": self.seed, "sentences": sentences, "samples": length, "times": written}
                with atomic_write(self._state) as part:
                    part.write_text(json.dumps(state))
        except OSError as error:
            raise AudioError(describe_error(error, self._samples)) from None

    def remove(self) -> None:
        """Removes the files."""
        for file in (self._samples, self._times, self._state):
            file.unlink(missing_ok=True)

    def _read(self) -> None:
        try:
            state = json.loads(self._state.read_bytes())
            sentences, seed, count, times = (
                int(state[name]) for name in ("sentences", "seed", "samples", "times")
            )
            with self._samples.open("r+b") as samples, self._times.open("r+b") as lines:
                if samples.seek(0, 2) >= 4 * count >= 0 and lines.seek(0, 2) >= times >= 0:
                    samples.truncate(4 * count)
                    lines.truncate(times)
                    self.sentences, self.seed, self.samples = sentences, seed, count
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return


def speech_key(text: str, voice: "Voice", *settings: Any) -> str:
    """What a speech follows from, as a digest."""
    digest = hashlib.sha256(json.dumps([text, settings, voice.prosody], default=str).encode())
    for array in (voice.timbre, voice.prompt_tokens, voice.prompt_phones, voice.mel, voice.residuals):
        digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    digest.update((voice.adapter.digest if voice.adapter else "").encode())
    return digest.hexdigest()[:32]
