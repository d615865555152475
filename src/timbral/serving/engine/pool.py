"""Models and fine-tuned voices in memory: loaded on demand, once however many ask, within a budget."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from timbral.errors import VoiceError
from timbral.inference.sessions import SessionOptions, usable_cores
from timbral.models import Bundle, list_bundles, open_bundle
from timbral.serving.config import EngineConfig, PoolConfig
from timbral.serving.errors import ApiError
from timbral.synthesizer import Synthesizer
from timbral.voices import Voice

_RESIDENT = 2
"""Bytes in memory for a byte of a bundle: weights are packed for the kernels beside the graphs."""
_UNLIMITED = 1 << 30


def installed_models() -> dict[str, Bundle]:
    """Every model of this machine that is whole, by name."""
    return {name: bundle for name, bundle in list_bundles() if isinstance(bundle, Bundle)}


def fitting_model(voice: Voice, model: str) -> str:
    """The name of an installed model that fits a voice: `model`, the one that made it, or any other; `model` where none does."""
    if voice.model == model:
        return model
    known = installed_models()
    for name in dict.fromkeys([model, voice.model, *known]):
        with contextlib.suppress(VoiceError, KeyError):
            voice.check_fit(known[name].manifest)
            return name
    return model


@dataclass(eq=False)
class _Entry:
    """What is loaded, or being loaded. users: how many speak with it now. unload: frees it."""

    name: str
    kind: str
    bytes: int
    pinned: bool = False
    loaded: Future[Any] = field(default_factory=Future)
    users: int = 0
    used_at: float = 0.0
    unload: Callable[[], None] = lambda: None


class ModelPool:
    """The models that the server speaks with. May be shared by threads.

    What is in use stays, and so does what is pinned: the budget may be exceeded by these.
    evicted: is called with the kind of what went.
    """

    def __init__(
        self, config: PoolConfig, engine: EngineConfig, evicted: Callable[[str], None] = lambda kind: None
    ) -> None:
        self._config, self._engine, self._evicted = config, engine, evicted
        # Two threads bring a lone listener's sound sooner, and cost a crowd nothing.
        steps = min(2, usable_cores()) if engine.threads == 1 else engine.threads
        self._options = SessionOptions(
            device=engine.device, threads=engine.threads, decoder_threads=steps, slots=engine.streams
        )
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], _Entry] = {}

    def known(self) -> dict[str, Bundle]:
        """Every model that can be loaded, by name."""
        return installed_models()

    def fitting(self, voice: Voice, model: str) -> str:
        """The name of a model that fits a voice: `model`, the one that made it, or any other; `model` where none does."""
        return fitting_model(voice, model)

    @contextmanager
    def lease(self, model: str, voice: Voice | None = None) -> Iterator[Synthesizer]:
        """A model, with the weights of a fine-tuned voice, which stay while the block runs; waits until they are loaded.

        Raises ApiError (404): no such model; BundleError: it is damaged; VoiceError: the voice does not fit.
        """
        with self._held((model, ""), lambda: self._load(model)) as synthesizer:
            assert isinstance(synthesizer, Synthesizer)
            if voice is None or voice.adapter is None:
                yield synthesizer
                return
            key = model, voice.adapter.digest
            with self._held(key, lambda: _prepare(synthesizer, voice), lambda: synthesizer.release(voice)):
                yield synthesizer

    def pin(self, model: str, pinned: bool) -> None:
        """Keeps a loaded model in memory, or lets it go when it is not used. Raises ApiError (404)."""
        with self._lock:
            entry = self._entries.get((model, ""))
            if entry is None:
                raise ApiError(404, f"the model {model[:80]!r} is not loaded", code="model_not_found")
            entry.pinned = pinned

    def status(self) -> dict[str, Any]:
        """What is loaded, as JSON."""
        with self._lock:
            entries = list(self._entries.values())
        moment = time.monotonic()
        return {
            "memory_budget_bytes": self._config.memory_mb << 20,
            "memory_estimated_bytes": sum(entry.bytes for entry in entries),
            "loaded": [
                {
                    "name": entry.name,
                    "kind": entry.kind,
                    "state": "ready" if entry.loaded.done() else "loading",
                    "estimated_bytes": entry.bytes,
                    "pinned": entry.pinned,
                    "in_use": entry.users,
                    "idle_s": 0.0 if entry.users else round(moment - entry.used_at, 1),
                }
                for entry in entries
            ],
        }

    @contextmanager
    def _held(
        self, key: tuple[str, str], load: Callable[[], Any], unload: Callable[[], None] = lambda: None
    ) -> Iterator[Any]:
        with self._lock:
            entry = self._entries.get(key)
            first = entry is None
            if entry is None:
                kind = "fine-tuned voice" if key[1] else "model"
                entry = _Entry(key[0], kind, 0, key[0] in self._config.pinned and not key[1], unload=unload)
                self._entries[key] = entry
            entry.users += 1
        try:
            if first:
                self._fill(key, entry, load)
            yield entry.loaded.result()
        finally:
            with self._lock:
                entry.users -= 1
                entry.used_at = time.monotonic()
            self._evict()

    def _fill(self, key: tuple[str, str], entry: _Entry, load: Callable[[], Any]) -> None:
        try:
            loaded = load()
        except BaseException as error:
            with self._lock:
                self._entries.pop(key, None)
            entry.loaded.set_exception(error)
            return
        entry.bytes = loaded.bundle.size * _RESIDENT
        entry.loaded.set_result(loaded)
        self._evict()

    def _load(self, name: str) -> Synthesizer:
        if name not in self.known():
            raise ApiError(404, f"there is no model {name[:80]!r}", code="model_not_found", param="model")
        synthesizer = Synthesizer(open_bundle(name), self._options, fine_tuned=_UNLIMITED)
        spoken, wanted = synthesizer.manifest.languages, self._config.languages
        synthesizer.warm_up([one for one in spoken if wanted is None or one in wanted])
        return synthesizer

    def _evict(self) -> None:
        """Drops what was not used for longest until the rest fits."""
        while True:
            with self._lock:
                size = sum(entry.bytes for entry in self._entries.values())
                free = [
                    (entry.used_at, key, entry)
                    for key, entry in self._entries.items()
                    if not entry.users and not entry.pinned and entry.loaded.done()
                ]
                if size <= self._config.memory_mb << 20 or not free:
                    return
                _, key, entry = min(free, key=lambda one: one[0])
                gone = [self._entries.pop(key)]
                if not key[1]:  # the voices of a model go with it
                    tuned = [other for other in self._entries if other[0] == key[0]]
                    gone += [self._entries.pop(other) for other in tuned]
            for entry in gone:
                entry.unload()
                self._evicted(entry.kind)


def _prepare(synthesizer: Synthesizer, voice: Voice) -> Synthesizer:
    synthesizer.prepare(voice)
    return synthesizer
