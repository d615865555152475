"""The fields of `/tts`, with the defaults and the checks of `api_v2` (RVC-Boss/GPT-SoVITS)."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from timbral.config import GenerationConfig
from timbral.models import Manifest
from timbral.serving.encoding import FormatName
from timbral.serving.errors import ApiError
from timbral.text.cut import CUTS
from timbral.text.segmentation import MODES

FORMATS: dict[str, FormatName] = {"wav": "pcm", "raw": "pcm", "ogg": "opus", "aac": "aac"}
"""What is encoded for a media type; a WAV file is its samples with a header."""

_PATHS = 20
_Text = Annotated[str, Field(max_length=100_000)]


class NamedError(ApiError):
    """A mistake that `api_v2` names in its message, without a cause beside it."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


class TtsRequest(BaseModel):
    """A text and how it is spoken. What is left out, null or empty has its default.

    ref_audio_path, aux_ref_audio_paths: name of a registered voice, or recordings in the operator's folder.
    top_k, top_p, temperature, repetition_penalty: by default the model's own. seed: -1 draws one.
    batch_size, batch_threshold, split_bucket, parallel_infer, super_sampling, overlap_length, min_chunk_length: accepted,
    without an effect.
    """

    model_config = ConfigDict(extra="ignore")

    text: _Text = ""
    text_lang: _Text = ""
    ref_audio_path: _Text = ""
    aux_ref_audio_paths: Annotated[list[str], Field(max_length=_PATHS)] = []
    prompt_lang: _Text = ""
    prompt_text: Annotated[str, Field(max_length=2000)] = ""
    top_k: int | None = None
    top_p: float | None = None
    temperature: float | None = None
    text_split_method: str = "cut5"
    batch_size: int = 1
    batch_threshold: float = 0.75
    split_bucket: bool = True
    speed_factor: float = 1.0
    fragment_interval: float = 0.3
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = -1
    media_type: str = "wav"
    streaming_mode: bool | int = False
    parallel_infer: bool = True
    repetition_penalty: float | None = None
    sample_steps: int = 32
    super_sampling: bool = False
    overlap_length: int = 2
    min_chunk_length: int = 16

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value not in (None, "")}

    @property
    def format(self) -> FormatName:
        """What is encoded."""
        return FORMATS[self.media_type]

    @property
    def language(self) -> str:
        """A mode of `timbral.text.segmentation`."""
        return self.text_lang.lower()

    def check(self, manifest: Manifest) -> None:
        """Raises NamedError where the request would be refused by `api_v2`."""
        for name in ("text", "text_lang", "prompt_lang"):
            if not getattr(self, name):
                raise NamedError(f"{name} is required")
        for name in ("text_lang", "prompt_lang"):
            language = getattr(self, name)
            if not _is_spoken(language.lower(), manifest):
                message = f"{name}: {language[:40]} is not supported in version {manifest.name}"
                raise NamedError(message)
        if self.media_type not in FORMATS:
            raise NamedError(f"media_type: {self.media_type[:40]} is not supported")
        if self.text_split_method not in CUTS:
            method = self.text_split_method[:40]
            raise NamedError(f"text_split_method:{method} is not supported")
        if int(self.streaming_mode) not in (0, 1, 2, 3):
            message = "the value of streaming_mode must be 0, 1, 2, 3(int) or true/false(bool)"
            raise NamedError(message)

    def generation(self, manifest: Manifest, rate: Any) -> GenerationConfig:
        """The same settings as the package takes them. Raises SettingError."""
        return GenerationConfig(
            speed=self.speed_factor,
            pause=self.fragment_interval,
            seed=None if self.seed == -1 else self.seed,
            rate=rate,
            top_k=self.top_k,
            top_p=self.top_p,
            temperature=self.temperature,
            repetition_penalty=self.repetition_penalty,
            steps=self.sample_steps if manifest.acoustic.kind == "flow-matching" else None,
        )


def _is_spoken(language: str, manifest: Manifest) -> bool:
    if language not in MODES:
        return False
    named = "yue" if language == "auto_yue" else language.removeprefix("all_")
    return named == "auto" or named in manifest.languages
