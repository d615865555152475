"""What `bundle.json` may say: strict types, so that a typo or a newer format fails here, not in a graph."""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from timbral.config import SamplingConfig
from timbral.models.files import MANIFEST
from timbral.paths import is_plain_name

SYMBOLS = {"v1": 322, "v2": 732}
"""Number of phones in each symbol table."""

Language = Literal["zh", "en", "ja", "ko", "yue"]
Precision = Literal["fp32", "fp16", "int8", "int4"]
"""In which the weights are stored."""
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

Hertz = Annotated[int, Field(ge=8000, le=192_000)]


def _formerly(name: str, old: str) -> Any:
    """A field that earlier versions wrote under another key."""
    return Field(validation_alias=AliasChoices(name, old))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FileEntry(_Strict):
    """What a file of the bundle must be."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(gt=0)]


class Semantic(_Strict):
    """Shape of stage one: phones to semantic tokens.

    head_size: channels of a head, where it is not hidden / heads, as in pruned models.
    capacity: positions in the KV cache, text and audio together.
    bert: whether stage one takes BERT features beside the phones.
    prompts: whether stage one continues a reference with a transcript; otherwise a transcript changes nothing.
    longest: seconds of speech that a piece of text may last; longer sentences are spoken in several pieces.
    """

    layers: Annotated[int, Field(gt=0, le=64)]
    heads: Annotated[int, Field(gt=0, le=128)]
    hidden: Annotated[int, Field(gt=0, le=8192)]
    head_size: Annotated[int, Field(gt=0, le=1024)] | None = None
    vocabulary: Annotated[int, Field(gt=0, le=65536)]
    eos: Annotated[int, Field(ge=0)]
    phonemes: Annotated[int, Field(gt=0, le=4096)]
    capacity: Annotated[int, Field(gt=0, le=16384)]
    bert: bool = False
    prompts: bool = True
    longest: Annotated[float, Field(ge=2, le=30)] = 10.0
    sampling: SamplingConfig = SamplingConfig()

    @model_validator(mode="after")
    def _consistent(self) -> "Semantic":
        if self.eos != self.vocabulary - 1:
            raise PydanticCustomError("eos", "eos must be the last of the vocabulary")
        if self.head_size is None and self.hidden % self.heads:
            raise PydanticCustomError("heads", "hidden must be a multiple of heads")
        return self


class SourceFilter(_Strict):
    """Shape of stage two of the embedded family: tokens and timbre to samples.

    hop: samples a frame; frames_per_token: frames a semantic token.
    context_tokens: tokens on each side that the sound of a token depends on, both graphs together.
    reach: frames on each side that the vocoder alone sees around a sample; 0 where that is not known.
    chunk_tokens: measure of the chunks of a stream: the first has half of it, later ones up to four times.
    timbre_size: length D of the timbre vector. phones: whether it is told which phones are spoken when, which the bundle's
    aligner and duration model then say. envelope: points of the spectral envelopes that a voice's residuals correct; 0
    where voices have none. passes: of the latent network for a window, 1 for a distilled model.
    """

    kind: Literal["source-filter"]
    hop: Annotated[int, Field(gt=0, le=8192)]
    frames_per_token: Annotated[int, Field(gt=0, le=64)]
    context_tokens: Annotated[int, Field(ge=0, le=500)]
    reach: Annotated[int, Field(ge=0, le=2000)] = 0
    chunk_tokens: Annotated[int, Field(gt=0, le=2000)]
    timbre_size: Annotated[int, Field(gt=0, le=8192)]
    phones: bool = False
    envelope: Annotated[int, Field(ge=0, le=1024)] = 0
    passes: Annotated[int, Field(ge=1, le=2)] = 2


class Vits(_Strict):
    """Shape of stage two of v1, v2, v2Pro and v2ProPlus: frames, flow, HiFi-GAN.

    hop: samples a frame; frames_per_token: frames a semantic token. timbre_size: length D of the timbre vector.
    latent: channels of the noise; noise_scale: its deviation. speaker: whether the timbre needs `speaker.onnx`.
    reach: frames on each side that the vocoder sees around a sample; 0 where that is not known.
    """

    kind: Literal["vits"]
    hop: Annotated[int, Field(gt=0, le=8192)]
    frames_per_token: Annotated[int, Field(gt=0, le=64)]
    timbre_size: Annotated[int, Field(gt=0, le=8192)]
    latent: Annotated[int, Field(gt=0, le=4096)]
    noise_scale: Annotated[float, Field(ge=0, le=10)] = 0.5
    speaker: bool = False
    reach: Annotated[int, Field(ge=0, le=1000)] = 0


class FlowMatching(_Strict):
    """Shape of stage two of v3 and v4: frames, mel by flow matching, a vocoder.

    frames_per_token: frames of the prior a semantic token; mel_rate: frames of mel for each of them.
    mel_sample_rate: Hz, of the recording whose mel is continued. timbre_size: length D of the timbre vector.
    reference_frames: of mel, which a chunk goes on from at most; chunk_frames: these and the new ones.
    steps: of the solver, unless a request says otherwise.
    """

    kind: Literal["flow-matching"]
    frames_per_token: Literal[2]
    mel_rate: Annotated[float, Field(gt=0, le=16)]
    mel_sample_rate: Hertz
    timbre_size: Annotated[int, Field(gt=0, le=8192)]
    reference_frames: Annotated[int, Field(gt=0, le=10000)]
    chunk_frames: Annotated[int, Field(gt=0, le=10000)]
    steps: Annotated[int, Field(ge=1, le=128)]


class TokenRate(_Strict):
    """Tokens that a phone of a language takes: outside `low` to `high` words were dropped or repeated."""

    low: Annotated[float, Field(gt=0, le=100)]
    typical: Annotated[float, Field(gt=0, le=100)]
    high: Annotated[float, Field(gt=0, le=100)]

    @model_validator(mode="after")
    def _ordered(self) -> "TokenRate":
        if not self.low < self.typical < self.high:
            raise PydanticCustomError("order", "low, typical and high must be in this order")
        return self


class ReferenceFormat(_Strict):
    """What the graphs that hear a reference recording expect: mono at `rate` Hz.

    silence: samples of it behind the recording, for the tokens only; official models are used to 9600.
    timbre_rate: Hz, of what `timbre.onnx` hears; None for `rate`.
    """

    rate: Hertz
    silence: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    timbre_rate: Hertz | None = None


class SemanticError(_Strict):
    """Quantisation error of stage one, from its next-token logits under teacher forcing.

    agreement: share of positions at which the likeliest token is that of float32; positions: how many were compared.
    error: relative error of the logits (L2).
    """

    agreement: Annotated[float, Field(ge=0, le=1)]
    error: Annotated[float, Field(ge=0)]
    positions: Annotated[int, Field(gt=0, le=1_000_000), _formerly("positions", "places")]


class AcousticError(_Strict):
    """Quantisation error of stage two, from the sound of the same tokens and noise.

    signal_to_noise: power of the sound in float32 over that of the difference, in dB, at most 120.
    log_mel: mean difference of the log-mel spectrograms, in dB. seconds: of sound that was compared.
    """

    signal_to_noise: Annotated[float, Field(le=120)]
    log_mel: Annotated[float, Field(ge=0)]
    seconds: Annotated[float, Field(gt=0)]


class QuantizationReport(_Strict):
    """Quantisation error of a model against float32 weights of the same checkpoints; recordings: how many it was measured on."""

    semantic: SemanticError
    acoustic: AcousticError
    recordings: Annotated[int, Field(gt=0, le=1000), _formerly("recordings", "voices")]


class Manifest(_Strict):
    """The whole of `bundle.json`.

    family and version: which voices fit; a voice made by one version of a family is no use to another.
    sample_rate: of the speech, in Hz; token_rate: semantic tokens a second.
    reading: of bundles of Timbral 0.1; ignored, since all models read texts alike.
    precisions: of most of the weights of each graph, where they are known; graphs that hear recordings lose less than others.
    quantization: error against float32, where it was measured.
    guard: what the guard takes for normal, measured on the model. files: all files but the manifest itself.
    weights: names the weights of stage one and of stage two, eight digits each, whatever the precision they are stored in; None
    where nobody said.
    """

    format: Literal[1]
    name: Name
    family: Literal["sovits-tiny", "gpt-sovits"]
    version: Name
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    symbols: Literal["v1", "v2"]
    sample_rate: Hertz
    token_rate: Annotated[int, Field(gt=0, le=200)]
    precision: Precision
    precisions: dict[str, Precision] = {}
    quantization: Annotated[QuantizationReport | None, _formerly("quantization", "losses")] = None
    semantic: Semantic
    acoustic: Annotated[SourceFilter | Vits | FlowMatching, Field(discriminator="kind")]
    reference: ReferenceFormat
    reading: Literal["best", "official"] | None = None
    guard: dict[Language, TokenRate] = {}
    weights: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")] | None = None
    files: Annotated[dict[str, FileEntry], Field(min_length=1)]
    licence: str
    attribution: str

    @property
    def base(self) -> str:
        """What a voice that was fine-tuned on this model calls it: `weights`, or else the hash of the files of weights."""
        if self.weights is not None:
            return self.weights
        hashes = [entry.sha256 for name, entry in sorted(self.files.items()) if name.endswith(".weights")]
        return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]

    @field_validator("files")
    @classmethod
    def _plain_names(cls, files: dict[str, FileEntry]) -> dict[str, FileEntry]:
        for name in files:
            if not is_plain_name(name) or name == MANIFEST:
                raise PydanticCustomError("name", "{name} is not a plain file name", {"name": ascii(name)})
        if len({name.casefold() for name in files}) < len(files):
            raise PydanticCustomError("name", "two file names differ in case only")
        return files

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        if self.semantic.phonemes != SYMBOLS[self.symbols]:
            raise PydanticCustomError("phonemes", "semantic.phonemes does not fit the symbol table")
        if not self.precisions.keys() <= self.files.keys():
            raise PydanticCustomError("precisions", "precisions names a file that the model does not have")
        shape = self.acoustic
        if shape.kind == "flow-matching":
            if not shape.reference_frames < shape.chunk_frames:
                raise PydanticCustomError("frames", "chunk_frames must be more than reference_frames")
            if not self.semantic.prompts:
                raise PydanticCustomError(
                    "prompts", "flow-matching goes on from prompts, and semantic.prompts is false"
                )
        elif self.token_rate * shape.frames_per_token * shape.hop != self.sample_rate:
            raise PydanticCustomError("rate", "token_rate x frames_per_token x hop is not sample_rate")
        return self
