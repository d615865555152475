"""The ingress's view of the engines: a pool whose models speak on other processes or machines.

A speech whose engine is lost goes on with another one. It begins again at the utterance that was interrupted; the samples of
it that are out already are the same for the same seed, and are left out.
"""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    ObjectLostError,
    RayError,
    TaskCancelledError,
)
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError
from ray.serve.handle import DeploymentHandle

from timbral.audio.levels import limit
from timbral.audio.resampling import ChunkResampler
from timbral.config import GenerationConfig
from timbral.inference.stream import Report, SpeechChunk
from timbral.inference.timestamps import SpokenUtterance
from timbral.models import Bundle
from timbral.serving.engine.pool import fitting_model, installed_models
from timbral.serving.errors import ApiError, BusyError
from timbral.serving.ray.messages import Piece, Refusal, SpeechTask
from timbral.voices import Consent, Voice

LOST = (ActorDiedError, ActorUnavailableError, ObjectLostError, DeploymentUnavailableError)
_ATTEMPTS, _WAIT_S = 6, 0.25
_CLONING_S = 300.0

Answer = Any
"""A response generator of Ray Serve: an iterator with `cancel`."""


def weight_set(model: str, voice: Voice | None = None) -> str:
    """What has to be in memory to speak: a model, with a fine-tuned voice's weights. Other voices share a model's."""
    adapter = voice.adapter if voice is not None else None
    return model if adapter is None else f"{model}@{adapter.digest}"


class RemotePool:
    """The models of all engines. The bundles have to be installed here as well: their manifests are read.

    resumed: speeches so far that went on with another engine.
    """

    def __init__(self, engines: "DeploymentHandle[Any]") -> None:
        self._engines, self.resumed = engines, 0

    def known(self) -> dict[str, Bundle]:
        """Every model that is installed, by name."""
        return installed_models()

    def fitting(self, voice: Voice, model: str) -> str:
        """The name of a model that fits a voice; `model` where none does."""
        return fitting_model(voice, model)

    @contextmanager
    def lease(self, model: str, voice: Voice | None = None) -> Iterator["RemoteModel"]:
        """A model on the engines, which load it when it first speaks. Raises ApiError (404): no such model."""
        bundle = self.known().get(model)
        if bundle is None:
            raise ApiError(404, f"there is no model {model[:80]!r}", code="model_not_found", param="model")
        yield RemoteModel(self._engines, bundle, model, self._count_resumed)

    def _count_resumed(self) -> None:
        self.resumed += 1

    def pin(self, model: str, pinned: bool) -> None:
        """Raises ApiError: on a cluster, `pool.pinned` of the settings says what stays."""
        raise ApiError(400, "models of a cluster are pinned by its settings (pool.pinned)", code="not_here")

    def status(self) -> dict[str, Any]:
        """What one of the engines has loaded, as JSON."""
        try:
            found: dict[str, Any] = self._engines.status.remote().result(timeout_s=10)
        except (RayError, TimeoutError):
            raise _lost() from None
        return found


class RemoteModel:
    """A model on the engines: `Synthesizer`, as far as the API needs it."""

    def __init__(
        self, engines: "DeploymentHandle[Any]", bundle: Bundle, name: str, resumed: Callable[[], None]
    ) -> None:
        """resumed: called where a speech goes on with another engine."""
        self._engines, self._manifest, self._name, self._resumed = engines, bundle.manifest, name, resumed

    def stream(
        self, text: str, voice: Voice, language: str, config: GenerationConfig | None
    ) -> "RemoteStream":
        """A speech on any engine that has the weights, or else on the one with the least to do."""
        voice.check_fit(self._manifest)
        chosen = config or GenerationConfig()
        handle = self._engines.options(stream=True, multiplexed_model_id=weight_set(self._name, voice))
        task = SpeechTask(text, self._name, voice, language, chosen)

        def ask(start: int) -> Answer:
            return handle.speak.remote(replace(task, start=start))

        return RemoteStream(ask, self._manifest.sample_rate, chosen.rate, self._resumed)

    def clone(
        self,
        *recordings: bytes,
        text: str | None = None,
        language: str = "auto",
        consent: Consent | None = None,
    ) -> Voice:
        """A voice from recordings. Raises ApiError."""
        handle = self._engines.options(multiplexed_model_id=weight_set(self._name))
        response = handle.clone.remote(self._name, list(recordings), text, language, consent)
        try:
            found = response.result(timeout_s=_CLONING_S)
        except (*LOST, TimeoutError):
            raise _lost() from None
        if isinstance(found, Refusal):
            raise found.error()
        assert isinstance(found, Voice)
        return found


class RemoteStream:
    """The chunks of a speech that an engine makes, at `rate` Hz; another engine goes on when that one is lost."""

    def __init__(
        self, ask: Callable[[int], Answer], native: int, rate: int | None, resumed: Callable[[], None]
    ) -> None:
        """ask: begins the speech after so many utterances. native: rate of its samples. rate: None for the same.
        resumed: called where it goes on with another engine.
        """
        self.rate = rate or native
        self._ask, self._counted = ask, resumed
        self._resampler = ChunkResampler(native, self.rate)
        self._native, self._samples = native, 0
        self._answer: Answer = None
        self._cancelled = threading.Event()
        self._report: Report | None = None
        self._spoken: list[SpokenUtterance] = []
        self._chunks = self._resampled()

    def __next__(self) -> SpeechChunk:
        """The next chunk. Raises ApiError: it cannot be spoken, or no engine could go on (503)."""
        samples = next(self._chunks)
        spoken, self._spoken = tuple(self._spoken), []
        return SpeechChunk(samples, self.rate, spoken)

    def __enter__(self) -> "RemoteStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        self._chunks.close()

    def cancel(self) -> None:
        """Stops the synthesis on the engine."""
        self._cancelled.set()
        if self._answer is not None:
            self._answer.cancel()

    @property
    def report(self) -> Report | None:
        """What the last engine has done; the length is that of the whole speech so far."""
        return self._report and replace(self._report, audio_s=self._samples / self._native)

    def _resampled(self) -> Generator[NDArray[np.float32], None, None]:
        for samples in self._resumed():
            self._samples += len(samples)
            yield from self._at_rate(samples)
        yield from self._at_rate(np.zeros(0, np.float32), last=True)

    def _at_rate(self, samples: NDArray[np.float32], *, last: bool = False) -> Iterator[NDArray[np.float32]]:
        """What is ready of it, if anything. Engines have limited the samples; only a resampler can raise peaks again."""
        ready = self._resampler.push(samples, last=last)
        if len(ready) or (last and self._spoken):
            yield ready if self.rate == self._native else limit(ready)

    def _resumed(self) -> Iterator[NDArray[np.float32]]:
        """Samples of all utterances, from as many engines as it takes."""
        finished = out = lost = (
            0  # utterances that are over; samples of the next one that are out; losses in a row
        )
        while True:
            skip, before = out, (self._samples - out) / self._native
            try:
                for piece in self._pieces(finished):
                    lost = 0
                    self._spoken += [utterance.later(before) for utterance in piece.spoken]
                    samples = piece.samples[skip:]
                    skip = max(0, skip - len(piece.samples))
                    out += len(samples)
                    if piece.finished > finished:
                        finished, out = piece.finished, 0
                    self._report = piece.report
                    yield samples
                return
            except LOST:
                lost += 1
                if self._cancelled.is_set():
                    return
                if lost == _ATTEMPTS:
                    raise _lost() from None
                self._counted()
                self._cancelled.wait(_WAIT_S * 2 ** (lost - 1))

    def _pieces(self, start: int) -> Iterator[Piece]:
        if self._cancelled.is_set():
            return
        self._answer = self._ask(start)
        try:
            for found in self._answer:
                if isinstance(found, Refusal):
                    raise found.error()
                yield found
        except (TaskCancelledError, RequestCancelledError):
            if not self._cancelled.is_set():
                raise _lost() from None
        except BackPressureError:
            raise BusyError("the engines speak as much as they can; try again later", 2) from None


def _lost() -> ApiError:
    message = "the engine that spoke was lost, and none could go on; send the request again"
    return ApiError(503, message, code="engine_lost", headers={"Retry-After": "2"})
