"""Engines of one model: its own, and those of fine-tuned voices, whose weights are other ones."""

import threading
from collections import OrderedDict
from dataclasses import replace

from timbral.bundle import Bundle
from timbral.engine.sessions import SessionOptions
from timbral.engine.speech import SpeechEngine
from timbral.parts import open_engine
from timbral.weights import Adapter

KEPT = 4
"""Fine-tuned voices that stay ready; each takes about as much memory as the model itself."""


class Engines:
    """The engine of each voice, opened when it first speaks. May be shared by threads."""

    def __init__(self, bundle: Bundle, options: SessionOptions) -> None:
        self.base = open_engine(bundle, options)
        self._bundle, self._options = bundle, options
        self._tuned: OrderedDict[str, SpeechEngine] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, adapter: Adapter | None) -> SpeechEngine:
        """The engine that speaks with these changes. Who is speaking keeps theirs, though it be dropped here.

        Raises VoiceError: the changes do not fit the model.
        """
        if adapter is None:
            return self.base
        with self._lock:
            engine = self._tuned.get(adapter.digest)
            if engine is None:
                engine = open_engine(self._bundle, replace(self._options, adapter=adapter))
                self._tuned[adapter.digest] = engine
            self._tuned.move_to_end(adapter.digest)
            if len(self._tuned) > KEPT:
                self._tuned.popitem(last=False)
            return engine
