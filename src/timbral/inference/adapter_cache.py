"""AdapterCache of one model: its own, and those of fine-tuned voices, whose weights are other ones."""

import threading
from collections import OrderedDict
from dataclasses import replace

from timbral.inference.engine import SpeechEngine
from timbral.inference.loading import open_acoustic, open_engine, open_semantic
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle
from timbral.models.weights import Adapter

CAPACITY = 4
"""Fine-tuned voices that stay ready; each takes about as much memory as the stages that it changes."""
_SEMANTIC = "semantic"
"""The part that is stage one; all others are stage two."""


class AdapterCache:
    """The engine of each voice, opened when it first speaks. May be shared by threads."""

    def __init__(self, bundle: Bundle, options: SessionOptions, capacity: int = CAPACITY) -> None:
        """capacity: fine-tuned voices that stay ready."""
        self.base = open_engine(bundle, options)
        self._bundle, self._options, self._capacity = bundle, options, capacity
        self._adapted: OrderedDict[str, SpeechEngine] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, adapter: Adapter | None) -> SpeechEngine:
        """The engine with the weights of an adapter; one that is in use lives on when the cache drops it.

        Raises VoiceError: the changes do not fit the model.
        """
        if adapter is None:
            return self.base
        with self._lock:
            engine = self._adapted.get(adapter.digest)
            if engine is None:
                engine = self._open(adapter)
                self._adapted[adapter.digest] = engine
            self._adapted.move_to_end(adapter.digest)
            if len(self._adapted) > self._capacity:
                self._adapted.popitem(last=False)
            return engine

    def drop(self, adapter: Adapter) -> None:
        """Lets the engine of an adapter go; one that is not there is no error."""
        with self._lock:
            self._adapted.pop(adapter.digest, None)

    def _open(self, adapter: Adapter) -> SpeechEngine:
        """An engine with changed stages; a stage that the adapter does not change is shared, with its batches."""
        options = replace(self._options, adapter=adapter)
        semantic, acoustic = self.base.semantic, self.base.acoustic
        if _SEMANTIC in adapter.parts:
            semantic = open_semantic(self._bundle, options)
        if adapter.parts.keys() - {_SEMANTIC}:
            acoustic = open_acoustic(self._bundle, options)
        return replace(self.base, semantic=semantic, acoustic=acoustic)
