"""Settings of the server: every one is a field here, from flags, the environment, a YAML file, in this order."""

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from timbral.config import SampleRate
from timbral.errors import SettingError
from timbral.inference.sessions import usable_cores
from timbral.models import EMBEDDED
from timbral.paths import cache_folder, data_folder, describe_error

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Cpus = Annotated[float, Field(gt=0, le=1024, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]

STREAMS_PER_CORE, MOST_STREAMS = 10, 128
"""Of the embedded model a core makes about ten in real time. Each has a thread."""

_OPENAI_VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse",
)  # fmt: skip
_OPENAI_MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineConfig(_Part):
    """How much is spoken at once.

    streams: speeches that are made at the same time, by default about as many as these cores make in real time.
    queue: requests that wait for one of these, of keys that have less than their share of them; others get 429 at once.
    queue_timeout_s: longest wait there. request_timeout_s: longest time for one speech.
    threads: of each graph of stage two; 1 serves most listeners, 0 (all cores) a single one soonest. Stage one has two at least.
    device: auto, cpu or cuda.
    """

    streams: Count = Field(default_factory=lambda: min(STREAMS_PER_CORE * usable_cores(), MOST_STREAMS))
    queue: Annotated[int, Field(ge=0, le=100_000)] = 16
    queue_timeout_s: Seconds = 2.0
    request_timeout_s: Seconds = 600.0
    threads: Annotated[int, Field(ge=0, le=1024)] = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"


class PoolConfig(_Part):
    """Models in memory.

    memory_mb: budget of loaded models and fine-tuned voices; the least recently used go first. pinned: models that stay.
    voices_mb: budget of the cache of voices. preload: models that are loaded before the server is ready.
    languages: those that are made ready with a model; None for all of them.
    """

    memory_mb: Count = 2048
    voices_mb: Count = 256
    pinned: tuple[str, ...] = ()
    preload: tuple[str, ...] = (EMBEDDED,)
    languages: tuple[str, ...] | None = None


class LimitsConfig(_Part):
    """What one request may bring, and what a key may use where it has no limits of its own.

    characters: of one input. body_mb: of one request. recording_mb: of one recording.
    header_timeout_s, body_timeout_s: for the headers and the body of a request to arrive.
    sessions: open WebSockets and connections of Home Assistant; session_idle_s: how long one may
    be without a message and without anything to speak.
    requests_per_minute, characters_per_day, concurrent: of one key; None for no limit.
    """

    characters: Count = 4096
    body_mb: Count = 64
    recording_mb: Count = 10
    header_timeout_s: Seconds = 10.0
    body_timeout_s: Seconds = 30.0
    sessions: Count = 200
    session_idle_s: Seconds = 300.0
    requests_per_minute: Count | None = None
    characters_per_day: Annotated[int, Field(ge=1)] | None = None
    concurrent: Count | None = None


class JobsConfig(_Part):
    """Jobs that make fine-tuned voices.

    workers: processes that the server starts when there are jobs; None for one where `timbral[train]` is installed, 0 for
    none. lease_s: seconds after which a job is taken up again whose worker has died. attempts: how often a job is begun
    before it fails. waiting: jobs of one owner that may wait or run. recordings: of one job. training: YAML as `timbral train
    --config` takes it. at_most_s: seconds of speech that are used, the cleanest. gate: `voice`, a YAML file of bounds, or
    `none`. scratch: folder for clips and checkpoints, by default in the user's cache folder.
    """

    workers: Annotated[int, Field(ge=0, le=64)] | None = None
    lease_s: Annotated[float, Field(ge=1, le=3600)] = 30.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    waiting: Count = 20
    recordings: Annotated[int, Field(ge=1, le=1000)] = 50
    training: Path | None = None
    at_most_s: Seconds = 300.0
    gate: str = "voice"
    scratch: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder for clips and checkpoints."""
        return self.scratch or cache_folder() / "jobs"


class StorageConfig(_Part):
    """Where records and files are kept.

    database: URL of SQLAlchemy; by default a SQLite file in `folder`. objects: URL of the object store (file:///, s3://,
    gs://, az://); by default a folder in `folder`. folder: by default `server` in the user's data folder.
    """

    folder: Path | None = None
    database: str | None = None
    objects: str | None = None

    @property
    def root(self) -> Path:
        """The folder of the defaults."""
        return self.folder or data_folder() / "server"


class RayConfig(_Part):
    """How `--ray` spreads over a cluster.

    address: of the cluster; by default RAY_ADDRESS, or else a cluster of this machine alone, which the server starts.
    ingresses: processes that take requests. min_engines, max_engines: processes that speak; how many there are follows from
    streams_per_engine, the speeches that one is to have, and first_sound_s, the 95th percentile of its time to first sound.
    upscale_delay_s, downscale_delay_s: how long more or fewer have to be wanted. cpus_per_engine: cores that each one books;
    cpus_per_worker: those of a task that works on jobs.
    """

    address: str | None = None
    ingresses: Count = 1
    min_engines: Count = 1
    max_engines: Count = 4
    streams_per_engine: Count = 8
    first_sound_s: Seconds = 0.8
    upscale_delay_s: Seconds = 10.0
    downscale_delay_s: Seconds = 300.0
    cpus_per_engine: Cpus = 1.0
    cpus_per_worker: Cpus = 1.0

    @model_validator(mode="after")
    def _in_order(self) -> "RayConfig":
        if self.min_engines > self.max_engines:
            raise ValueError("min_engines is above max_engines")
        return self


class PrivacyConfig(_Part):
    """Consent and records.

    require_consent: whether every voice needs one. audit_texts: whether the audit log keeps texts beside their hashes.
    local_voices: whether the voices that `timbral clone` has named can be spoken with, those with consent.
    """

    require_consent: bool = True
    audit_texts: bool = False
    local_voices: bool = True


class OfficialConfig(_Part):
    """The API of GPT-SoVITS's `api_v2`.

    folder: recordings and .voice files that clients may name by path; nothing outside of it is opened. consent: the statement
    of the speakers of its recordings that they may be cloned. sample_rate: Hz; by default the model's own.
    """

    folder: Path | None = None
    consent: Annotated[str, Field(max_length=2000)] = ""
    sample_rate: SampleRate | None = None


class ServeConfig(BaseSettings):
    """All settings of `timbral serve`.

    Each can be given in the YAML file, and as an environment variable: TIMBRAL_SERVE_PORT, TIMBRAL_SERVE_ENGINE__STREAMS.
    open: serve other machines without any key. official_api: the addresses of GPT-SoVITS's api_v2 too.
    watermark: whether speech carries it; watermark_key: of its pattern, by default TIMBRAL_WATERMARK_KEY, or else public.
    wyoming: Home Assistant's protocol too, at wyoming_uri. origins: web pages that may call the server, beside its own.
    voice_aliases, model_aliases: names that clients know, and what they stand for.
    """

    model_config = SettingsConfigDict(
        env_prefix="TIMBRAL_SERVE_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    open: bool = False
    official_api: bool = False
    watermark: bool = True
    watermark_key: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    wyoming: bool = False
    wyoming_uri: str = "tcp://127.0.0.1:10200"
    origins: tuple[str, ...] = ()
    log_format: Literal["text", "json"] = "text"
    shutdown_timeout_s: Seconds = 60.0
    default_model: str = EMBEDDED
    voice_aliases: dict[str, str] = Field(default_factory=lambda: dict.fromkeys(_OPENAI_VOICES, "default"))
    model_aliases: dict[str, str] = Field(default_factory=lambda: dict.fromkeys(_OPENAI_MODELS, EMBEDDED))
    engine: EngineConfig = EngineConfig()
    pool: PoolConfig = PoolConfig()
    limits: LimitsConfig = LimitsConfig()
    jobs: JobsConfig = JobsConfig()
    storage: StorageConfig = StorageConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    ray: RayConfig = RayConfig()
    official: OfficialConfig = OfficialConfig()

    @property
    def on_loopback(self) -> bool:
        """Whether only programs of this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_config(path: Path | None = None, **flags: Any) -> ServeConfig:
    """The settings of a YAML file, then those of the environment, then flags, where they are not None.

    Raises SettingError: no such file, not YAML, an unknown name, a value out of its range.
    """
    file = _read_yaml(path)

    class WithFile(ServeConfig):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, file)

    try:
        return WithFile(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise SettingError(f"setting {where}: {problem['msg'].lower()}") from None
    except SettingsError as error:
        raise SettingError(f"environment: {error}") from None


def _read_yaml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: not YAML ({str(error).splitlines()[0]})") from None
    except OSError as error:
        raise SettingError(describe_error(error, path)) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingError(f"{path}: holds no settings by name")
    return content
