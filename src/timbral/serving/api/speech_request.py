"""The body of a request for speech: OpenAI's fields, those that other servers share, and Timbral's own.

Fields that nobody here knows are ignored, because clients of other servers send theirs.
"""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from timbral.config import GenerationConfig, SampleRate
from timbral.serving.encoding import PCM_RATE, FormatName
from timbral.serving.errors import ApiError

_LANGUAGES = {
    "chinese": "zh", "mandarin": "zh", "english": "en", "japanese": "ja", "korean": "ko", "cantonese": "yue",
    "cmn": "zh", "eng": "en", "jpn": "ja", "kor": "ko",
}  # fmt: skip
"""Names of languages that other servers take."""

MOST_BATCHED = 32
_INPUT = 100_000
"""Characters that are read at all; the limit of the server comes on top."""

Generation = GenerationConfig.model_fields


class VoiceId(BaseModel):
    """A registered voice by its id."""

    id: Annotated[str, Field(min_length=1, max_length=200)]


VoiceReference = Annotated[str, Field(min_length=1, max_length=200)] | VoiceId


class SpeechOptions(BaseModel):
    """How a text is spoken; a batch may have these once for all of its texts.

    voice: name or id. speed, seed, pause, sampling and steps: as in GenerationConfig. sample_rate: Hz; by default 24000 for
    pcm and the model's own for other formats. ref_audio: a recording to clone for this speech alone, as base64 or a data URL;
    ref_text: what is said in it; consent: id of the speaker's consent, or the statement itself.
    timestamps: also tell when utterances, words and phones are spoken. instructions: accepted, without an effect.
    """

    model_config = ConfigDict(extra="ignore")

    model: Annotated[str, Field(max_length=200)] | None = None
    voice: VoiceReference | None = None
    response_format: FormatName = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4, allow_inf_nan=False)] = 1.0
    instructions: Annotated[str, Field(max_length=_INPUT)] | None = None
    language: Annotated[str, Field(max_length=40)] | None = None
    ref_audio: str | None = None
    ref_text: Annotated[str, Field(max_length=2000)] | None = None
    consent: Annotated[str, Field(max_length=2000)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    pause: Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)] | None = None
    sample_rate: SampleRate | None = None
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    top_k: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.1, le=10, allow_inf_nan=False)] | None = None
    steps: Annotated[int, Field(ge=1, le=128)] | None = None
    timestamps: bool = False

    @field_validator("language")
    @classmethod
    def _short_language(cls, value: str | None) -> str | None:
        """`English`, `en-US` and `EN` are `en`."""
        if value is None:
            return None
        lower = value.strip().lower()
        return _LANGUAGES.get(lower, lower.partition("-")[0].partition("_")[0]) or None

    @property
    def voice_reference(self) -> str | None:
        """Name or id of the voice."""
        return self.voice.id if isinstance(self.voice, VoiceId) else self.voice

    def generation(self) -> GenerationConfig:
        """The same settings as the package takes them."""
        given = self.model_dump(include=set(Generation) - {"rate"}, exclude_none=True)
        rate: SampleRate | None = self.sample_rate or (PCM_RATE if self.response_format == "pcm" else None)
        return GenerationConfig(**given, rate=rate)

    def recording(self, most_bytes: int) -> bytes | None:
        """Content of `ref_audio`. Raises ApiError: not base64, too large, or a path or an address, which are never opened."""
        if self.ref_audio is None:
            return None
        return decode_recording(self.ref_audio, most_bytes)


class SpeechRequest(SpeechOptions):
    """One text to be spoken. stream_format: the bytes of the sound, or events of the server that carry them as base64."""

    input: Annotated[str, Field(min_length=1, max_length=_INPUT)]
    stream_format: Literal["audio", "sse"] = "audio"


class BatchItem(SpeechOptions):
    """One text of a batch; what it leaves out is as in the batch."""

    input: Annotated[str, Field(min_length=1, max_length=_INPUT)]


class BatchRequest(SpeechOptions):
    """Up to 32 texts, with options for all of them."""

    items: Annotated[list[BatchItem], Field(min_length=1, max_length=MOST_BATCHED)]

    def requests(self) -> list[SpeechRequest]:
        """A request for each text."""
        shared = self.model_dump(exclude={"items"}, exclude_unset=True)
        return [
            SpeechRequest.model_validate({**shared, **item.model_dump(exclude_unset=True)})
            for item in self.items
        ]


def decode_recording(text: str, most_bytes: int) -> bytes:
    """Bytes of a recording that is given as base64 or a data URL. Raises ApiError."""
    payload = text.strip()
    if payload[:5].lower() == "data:":
        header, separator, payload = payload.partition(",")
        if not separator or not header.lower().endswith(";base64"):
            raise ApiError(400, "a data URL has to hold base64", code="invalid_recording", param="ref_audio")
    if len(payload) > most_bytes * 4 // 3 + 4:
        raise ApiError(413, f"a recording has at most {most_bytes >> 20} MB", param="ref_audio")
    try:
        content = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        raise ApiError(
            400,
            "ref_audio is the recording itself, as base64 or a data URL; paths and addresses are not opened",
            code="invalid_recording",
            param="ref_audio",
        )
    return content


def first_mistake(error: ValidationError) -> ApiError:
    """The answer to a body that is not as it should be."""
    problem: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, problem["loc"]))
    return ApiError(
        400, f"{where or 'body'}: {problem['msg'].lower()}", code="invalid_value", param=where or None
    )
