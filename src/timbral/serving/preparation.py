"""From a request to a speech, whatever the protocol: model, voice, limits, and the record of it."""

import hashlib
import secrets
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from starlette.concurrency import run_in_threadpool

from timbral.config import GenerationConfig
from timbral.serving.access.keys import Principal
from timbral.serving.api.speech_request import SpeechRequest
from timbral.serving.encoding import FormatName
from timbral.serving.engine.admission import Arrival
from timbral.serving.engine.rendering import SpeechOrder
from timbral.serving.engine.speaker import ActiveSpeech
from timbral.serving.errors import ApiError
from timbral.serving.services import Services
from timbral.serving.voices.registry import Recordings, Resolved


@dataclass(frozen=True)
class Preparation:
    """What one principal asks for in one request."""

    parts: Services
    principal: Principal
    request_id: str

    async def prepare(self, wanted: SpeechRequest, uploaded: bytes | None = None) -> SpeechOrder:
        """What is to be spoken. Raises TimbralError."""
        cloning = uploaded is not None or wanted.ref_audio is not None
        run = self.parts.cloning.run if cloning else run_in_threadpool
        return await run(lambda: self._order(wanted, uploaded))

    def _order(self, wanted: SpeechRequest, uploaded: bytes | None) -> SpeechOrder:
        parts, config = self.parts, self.parts.config
        self.check(wanted.input)
        model = self.model(wanted.model)
        generation = wanted.generation()
        recording = uploaded or wanted.recording(config.limits.recording_mb << 20)
        language = wanted.language or "auto"
        if recording is None:
            resolved = parts.voices.resolve(self.principal, wanted.voice_reference)
            if wanted.model is None or wanted.model in config.model_aliases:
                model = parts.pool.fitting(resolved.voice, model)
        else:
            given = Recordings([recording], wanted.ref_text, language)
            resolved = parts.voices.passing(self.principal, given, wanted.consent, model=model)
        order = self.order(wanted.input, model, resolved, language, generation, wanted.response_format)
        return replace(order, timestamps=wanted.timestamps)

    def check(self, text: str) -> None:
        """Raises ApiError where the server is stopping, or the text is too long."""
        if self.parts.draining:
            raise ApiError(503, "the server is stopping", code="stopping", headers={"Retry-After": "5"})
        most = self.parts.config.limits.characters
        if len(text) > most:
            message = f"the input has {len(text)} characters; at most {most} are spoken"
            raise ApiError(400, message, code="string_above_max_length", param="input")

    @staticmethod
    def order(
        text: str,
        model: str,
        resolved: Resolved,
        language: str,
        generation: GenerationConfig,
        format_name: FormatName,
    ) -> SpeechOrder:
        """An order with a seed, which is drawn where none is given."""
        if generation.seed is None:
            generation = generation.model_copy(update={"seed": secrets.randbits(32)})
        return SpeechOrder(
            text=text,
            model=model,
            voice=resolved.voice,
            voice_id=resolved.id,
            consent=resolved.consent,
            language=language,
            config=generation,
            format=format_name,
        )

    def speak(
        self, order: SpeechOrder, arrival: Arrival | None = None, *, patient: bool = False
    ) -> AbstractAsyncContextManager[ActiveSpeech]:
        """The speech of an order as a context, which counts as a stream of the key. arrival, patient: see `Admission.slot`."""

        def accepted() -> None:
            self.parts.limits.count_characters(self.principal, len(order.text))
            self.record(order)

        speech = self.parts.speaker.speech(order, self.principal, accepted, arrival, patient=patient)
        return self.parts.limits.streaming(self.principal, speech)

    def model(self, name: str | None) -> str:
        """The model that a request names, whatever its client calls it."""
        config = self.parts.config
        return config.default_model if name is None else config.model_aliases.get(name, name)

    def record(self, order: SpeechOrder) -> None:
        """Writes into the audit log who speaks with which voice, before there is any sound."""
        privacy = self.parts.config.privacy
        text = order.text.encode("utf-8", "surrogatepass")
        details = {
            "voice": order.voice_id,
            "consent": order.consent,
            "model": order.model,
            "characters": len(order.text),
            "text_sha256": hashlib.sha256(text).hexdigest(),
            "seed": order.config.seed,
            "watermark": self.parts.config.watermark,
        }
        if privacy.audit_texts:
            details["text"] = order.text
        self.parts.audit.append("speech", self.principal, self.request_id, **details)
