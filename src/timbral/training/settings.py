"""The configuration of a training, a YAML file with strictly checked names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from timbral.errors import TrainingError
from timbral.models import Manifest
from timbral.training.loop_settings import LoopSettings

Method: TypeAlias = Literal["lora", "full"]
Stage: TypeAlias = Literal["semantic", "acoustic"]
STAGES: tuple[Stage, ...] = ("semantic", "acoustic")
PART = ".part"
"""Suffix of a file that is being written."""


def stages_of(name: str) -> tuple[Stage, ...]:
    """The stages that `both`, `semantic` or `acoustic` stands for, () for another name."""
    return STAGES if name == "both" else tuple(stage for stage in STAGES if stage == name)


def family_of(manifest: Manifest) -> str:
    """The family of a model for training: EMBEDDED, or an official one such as v2Pro, with which its version
    begins.
    """
    return EMBEDDED if manifest.family == EMBEDDED else manifest.version.partition("-")[0]


class StageSettings(LoopSettings):
    """Settings of every stage of every family.

    method: `lora` trains low-rank updates of the weights that match `targets`; `full` trains all weights
    except those that match `freeze`. In patterns, * stands for anything. rank: of the updates. held_out:
    share of the recordings for validation. least: minimum number of examples per epoch; fewer are repeated.
    shortest, longest: length of a recording in seconds.
    """

    method: Method = "lora"
    rank: int = Field(8, ge=1, le=256)
    targets: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    held_out: float = Field(0.1, ge=0, le=0.5)
    least: int = Field(100, ge=0)
    shortest: float = Field(0.6, ge=0)
    longest: float = Field(54.0, gt=0)


class OfficialSettings(StageSettings):
    """Settings of both stages of the official families.

    whole: with `lora`, weights that are trained in full. checkpointing: activation checkpointing, which
    trades time for memory. dropout: probability, by default that of the official configuration.
    """

    whole: tuple[str, ...] = ()
    checkpointing: bool = False
    dropout: float | None = Field(None, ge=0, lt=1)


class SemanticSettings(OfficialSettings):
    """Settings of stage one, phones to tokens.

    optimizer: `scaled-adam` is the official one. preference: beta of the preference loss (DPO), officially
    0.2 where it is used, 0 for none. fewest_phones, most_phones: accepted phones per second of a recording.
    masking: share of the input tokens that is replaced by random ones, in spans of up to `mask_span`. mixup:
    alpha of mixup, 0 for none. stochastic_depth: probability that the last layer is skipped.
    """

    optimizer: Literal["scaled-adam", "adamw"] = "adamw"
    preference: float = Field(0.0, ge=0)
    fewest_phones: float = Field(3.0, ge=0)
    most_phones: float = Field(25.0, gt=0)
    masking: float = Field(0.0, ge=0, lt=1)
    mask_span: int = Field(5, ge=1)
    mixup: float = Field(0.0, ge=0)
    stochastic_depth: float = Field(0.0, ge=0, lt=1)


class AcousticSettings(OfficialSettings):
    """Settings of stage two of the official families, tokens to audio.

    segment: training segment in samples. mel_weight, kl_weight: weights of these losses. text_rate: factor on
    the learning rate of the text encoder. kl_levels: groups of latent channels with balanced divergences, 1
    for none. frame_mask, bin_mask: maximum number of frames and bins that are masked in the input of the
    timbre encoder. betas, eps: of AdamW. adversary: train against discriminators.
    """

    segment: int = Field(20480, ge=640)
    mel_weight: float = Field(45.0, ge=0)
    kl_weight: float = Field(1.0, ge=0)
    text_rate: float = Field(0.4, ge=0, le=1)
    kl_levels: int = Field(1, ge=1)
    frame_mask: int = Field(0, ge=0)
    bin_mask: int = Field(0, ge=0)
    betas: tuple[float, float] = (0.8, 0.99)
    eps: float = Field(1e-9, gt=0)
    adversary: bool = True


class SourceFilterSettings(StageSettings):
    """Settings of stage two of the embedded family.

    strength: interpolation from the base weights, 0, to the trained weights, 1; a lower value is less like
    the speaker and more intelligible. held_out: 0 by default, as a minute of speech is too little to hold
    some out. tokens: length of a crop, 25 a second; the speaker encoder needs 40. The weights are those of
    the losses.
    """

    strength: float = Field(1.0, gt=0, le=1)
    held_out: float = Field(0.0, ge=0, le=0.5)
    shortest: float = Field(0.6, ge=0.6)
    longest: float = Field(120.0, gt=0, le=120)
    tokens: int = Field(44, ge=40)
    spectral_weight: float = Field(0.3, ge=0)
    pitch_weight: float = Field(1.2, ge=0)
    speaker_weight: float = Field(2.0, ge=0)
    content_weight: float = Field(1.0, ge=0)
    articulation_weight: float = Field(2.0, ge=0)


class TrainingSettings(BaseModel):
    """Settings of both stages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    semantic: SemanticSettings
    acoustic: AcousticSettings | SourceFilterSettings

    def of(self, stage: Stage) -> StageSettings:
        """The settings of a stage."""
        return self.semantic if stage == "semantic" else self.acoustic


_ATTENTION = ("*.attn.to_q.weight", "*.attn.to_k.weight", "*.attn.to_v.weight", "*.attn.to_out.0.weight")
_SOUND = ("dec.*.weight", "flow.*.weight", "enc_p.*.weight")
_FROZEN = ("ssl_proj.*",)
"""The official code freezes the quantizer and its input projection."""

_LOW_RANK: dict[Stage, dict[str, Any]] = {
    "semantic": {
        "optimizer": "adamw",
        "rate": 5e-4,
        "schedule": {"kind": "warmup-cosine", "warmup": 10},
        "clip": 1.0,
        "rank": 8,
        "targets": ("h.*.in_proj_weight", "h.*.out_proj.weight"),
        "patience": 3,
    },
    "acoustic": {"rate": 2e-4, "rank": 16, "targets": _SOUND, "clip": 10.0},
}
_FULL: dict[Stage, dict[str, Any]] = {
    "semantic": {"optimizer": "scaled-adam", "rate": 0.002, "accumulation": 4},
    "acoustic": {"rate": 1e-4, "schedule": {"kind": "exponential", "decay": 0.999875}, "freeze": _FROZEN},
}
_EMBEDDED: dict[str, Any] = {
    "rate": 2e-3,
    "strength": 0.45,
    "schedule": {"kind": "warmup-cosine", "warmup": 20, "end": 1e-4},
    "clip": 5.0,
    "rank": 16,
    "targets": (
        "*.up.weight",
        "*.down.weight",
        "*.film.weight",
        "*.timbre.layers.*.weight",
        "latent.spread.weight",
        "latent.to_latent.weight",
        "latent.to_pitch.0.weight",
        "vocoder.from_latent.weight",
        "vocoder.to_envelope.weight",
        "vocoder.to_aperiodicity.weight",
    ),
    "batch_size": 3,
    "least": 60,
    "epochs": 5,
}
_EMBEDDED_FULL = {"rate": 2e-4, "strength": 1.0, "method": "full"}
_EPOCHS = {"semantic": 15, "acoustic": 8}
EMBEDDED = "sovits-tiny"
_MEL_FAMILIES = ("v3", "v4")
_WITHOUT_DROPOUT = ("v2Pro", "v2ProPlus")


def defaults(version: str, stage: Stage, method: Method) -> dict[str, Any]:
    """Defaults that differ from those of the settings class; with `full` they are the official ones.

    version: an official family, or EMBEDDED.
    """
    if version == EMBEDDED and stage == "acoustic":
        return _EMBEDDED | ({} if method == "lora" else _EMBEDDED_FULL)
    found: dict[str, Any] = {"method": method, "epochs": _EPOCHS[stage], "batch_size": 8}
    found |= (_LOW_RANK if method == "lora" else _FULL)[stage]
    if stage == "acoustic" and method == "full" and version in _WITHOUT_DROPOUT:
        found["dropout"] = 0.0
    if stage == "acoustic" and version in _MEL_FAMILIES:
        # The official LoRA has rank 32 and a rate of 1e-4; weights that are not frozen are trained in full.
        found |= {"epochs": 2, "rate": 1e-4, "adversary": False}
        found |= (
            {"rank": 32, "targets": _ATTENTION}
            if method == "lora"
            else {"freeze": (*_FROZEN, "enc_p.*", "ref_enc.*")}
        )
    return found


def read_settings(
    version: str, path: Path | None = None, flags: Mapping[Stage, Mapping[str, Any]] | None = None
) -> TrainingSettings:
    """The settings of a training: flags take precedence over the file, and the file over the defaults.

    path: a YAML file with the sections `semantic` and `acoustic`, in which everything is optional. flags:
    values by stage and name, None for none. Raises TrainingError: an unreadable file, an unknown name, an
    invalid value.
    """
    written = {} if path is None else _read(path)
    made: dict[str, Any] = {name: section for name, section in written.items() if name not in STAGES}
    for stage in STAGES:
        section = written.get(stage) or {}
        if not isinstance(section, dict):
            raise TrainingError(f"{path}: {stage} has to hold names and values")
        given = section | {k: v for k, v in ((flags or {}).get(stage) or {}).items() if v is not None}
        method: Method = "full" if given.get("method") == "full" else "lora"
        made[stage] = defaults(version, stage, method) | given
    where = str(path) if path else "the options"
    made["semantic"] = _checked(SemanticSettings, made["semantic"], f"{where}: semantic")
    acoustic = SourceFilterSettings if version == EMBEDDED else AcousticSettings
    made["acoustic"] = _checked(acoustic, made["acoustic"], f"{where}: acoustic")
    return _checked(TrainingSettings, made, where)


def write_settings(settings: TrainingSettings, path: Path) -> None:
    """Writes all settings, including defaults, so that a run can be repeated."""
    part = path.with_suffix(PART)
    part.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))
    part.replace(path)


def changed_settings(settings: TrainingSettings, path: Path) -> list[str]:
    """Differences from a file of `write_settings`, such as `semantic.epochs is 15, not 99`. Raises
    TrainingError.
    """
    written, changed = _read(path), []
    for stage, section in settings.model_dump(mode="json").items():
        before = written.get(stage)
        before = before if isinstance(before, dict) else {}
        for name in sorted(before.keys() | section.keys()):
            was, wanted = before.get(name), section.get(name)
            if was != wanted:
                changed.append(f"{stage}.{name} is {was}, not {wanted}")
    return changed


Model = TypeVar("Model", bound=BaseModel)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: no YAML ({' '.join(str(error).split())[:200]})") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise TrainingError(f"{path}: has to begin with semantic: or acoustic:")
    return {str(name): section for name, section in content.items()}


def _checked(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        place = [str(part) for part in problem["loc"]]
        if problem["type"] == "extra_forbidden":
            known = ", ".join(_names_beside(model, place))
            raise TrainingError(f"{where}: {'.'.join(place)} is unknown; there are {known}") from None
        raise TrainingError(f"{where}: {'.'.join(place)}: {problem['msg']}") from None


def _names_beside(model: type[BaseModel], place: list[str]) -> list[str]:
    """The valid names at the place of an error."""
    inner: Any = model
    for part in place[:-1]:
        fields = getattr(inner, "model_fields", {})
        field = fields.get(part)
        if field is None:
            # A member of a union, named by its tag.
            kinds = getattr(inner, "__args__", ())
            inner = next((k for k in kinds if part == k.model_fields["kind"].default), model)
        else:
            inner = field.annotation
    return list(inner.model_fields)
