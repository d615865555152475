"""Playing a sound while it is being made, by miniaudio."""

import queue
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from threading import Event

import numpy as np
from numpy.typing import NDArray

from timbral.audio.writing import to_pcm
from timbral.errors import AudioError, InstallationError

_BUFFER = 200
"""Milliseconds that the sound card has in hand."""
_AHEAD = 64
"""Pieces that may wait to be played; who writes faster has to wait."""


@contextmanager
def open_player(rate: int) -> Iterator["Player"]:
    """Plays what is written at `rate` Hz; the block ends when all of it was heard, or at once on an error.

    Raises AudioError: no loudspeaker; InstallationError.
    """
    try:
        import miniaudio
    except ImportError:
        raise InstallationError(
            "playing needs miniaudio; install it with: pip install 'timbral[play]'"
        ) from None
    player = Player()
    try:
        device = miniaudio.PlaybackDevice(
            miniaudio.SampleFormat.SIGNED16, nchannels=1, sample_rate=rate, buffersize_msec=_BUFFER
        )
    except miniaudio.MiniaudioError as error:
        raise AudioError(f"no loudspeaker can be used ({error}); write a file with -o") from None
    with device:
        # Without a sound card the library plays to nobody.
        if device.backend == "Null":
            raise AudioError("no loudspeaker was found; write a file with -o")
        source = player.source()
        next(source)
        device.start(source)
        yield player
        player.finish()
        time.sleep(2 * _BUFFER / 1000)


class Player:
    """A `Writer` whose samples a sound card takes when it needs them."""

    def __init__(self) -> None:
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._ended = Event()

    def write(self, samples: NDArray[np.float32]) -> None:
        """Appends samples float32 [n]."""
        self._pieces.put(to_pcm(samples))

    def finish(self) -> None:
        """Waits until all was taken."""
        self._pieces.put(None)
        self._ended.wait()

    def source(self) -> Generator[bytes, int, None]:
        """Samples as 16 bits, as many as are asked for; silence where they are not there yet."""
        ready = b""
        count = yield b""
        while True:
            while len(ready) < 2 * count:
                try:
                    piece = self._pieces.get_nowait()
                except queue.Empty:
                    break
                if piece is None:
                    yield ready.ljust(2 * count, b"\0")
                    self._ended.set()
                    return
                ready += piece
            block, ready = ready[: 2 * count], ready[2 * count :]
            count = yield block.ljust(2 * count, b"\0")
