"""A cache of voices: each is read once, however many ask for it, and the least recently used go first."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from timbral.voices import Voice


class VoiceCache:
    """Voices by the SHA-256 of what they come from. May be shared by threads.

    looked_up: is told of each look-up whether the voice was there.
    """

    def __init__(self, capacity: int, looked_up: Callable[[bool], None] = lambda found: None) -> None:
        """capacity: bytes of all voices together."""
        self._capacity, self._looked_up = capacity, looked_up
        self._lock = threading.Lock()
        self._voices: OrderedDict[str, Future[Voice]] = OrderedDict()
        self._sizes: dict[str, int] = {}

    @property
    def size(self) -> int:
        """Bytes of all voices together."""
        with self._lock:
            return sum(self._sizes.values())

    def get(self, key: str, load: Callable[[], Voice]) -> Voice:
        """The voice of a key, loaded where it is not there. Raises what `load` raises, to all who wait for it."""
        with self._lock:
            future = self._voices.get(key)
            first = future is None
            if future is None:
                future = self._voices[key] = Future()
            self._voices.move_to_end(key)
        self._looked_up(not first)
        if first:
            try:
                voice = load()
            except BaseException as error:
                self.drop(key)
                future.set_exception(error)
                raise
            future.set_result(voice)
            self._add(key, _bytes(voice))
        return future.result()

    def drop(self, key: str) -> None:
        """Forgets a voice."""
        with self._lock:
            self._voices.pop(key, None)
            self._sizes.pop(key, None)

    def _add(self, key: str, size: int) -> None:
        with self._lock:
            if key in self._voices:
                self._sizes[key] = size
            for oldest in list(self._voices):
                if sum(self._sizes.values()) <= self._capacity:
                    return
                if oldest in self._sizes:
                    del self._voices[oldest], self._sizes[oldest]


def _bytes(voice: Voice) -> int:
    arrays = (
        voice.timbre,
        voice.prompt_tokens,
        voice.prompt_phones,
        voice.prompt_features,
        voice.mel,
        voice.residuals,
    )
    tuned = voice.adapter.tensors().values() if voice.adapter else ()
    return 1024 + sum(int(array.nbytes) for array in (*arrays, *tuned) if array is not None)
