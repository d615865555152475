"""Ingress and engines as one application of Ray Serve."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from timbral.serving import logs
from timbral.serving.app import make_app
from timbral.serving.config import ServeConfig, read_config
from timbral.serving.ray.engine import Engine
from timbral.serving.ray.jobs import WorkerTask
from timbral.serving.ray.remote import RemotePool
from timbral.serving.server import check_access, check_models
from timbral.serving.services import Services

_MANY = 10_000
"""Requests that an ingress takes at once: admission refuses what is too much, at once and with a reason."""


class Arguments(BaseModel):
    """What `serve run timbral.serving.ray:app config=FILE` may give, or `args` of a deployment file."""

    model_config = ConfigDict(extra="forbid")

    config: Path | None = None


def app(arguments: Arguments) -> Application:
    """The application with the settings of a file and of the environment. Raises SettingError."""
    return application(read_config(arguments.config))


def application(config: ServeConfig) -> Application:
    """The application with these settings."""
    settings = config.model_dump(mode="json")
    cluster = config.ray
    scaling: dict[str, Any] = {
        "min_replicas": cluster.min_engines,
        "max_replicas": cluster.max_engines,
        "target_ongoing_requests": cluster.streams_per_engine,
        "upscale_delay_s": cluster.upscale_delay_s,
        "downscale_delay_s": cluster.downscale_delay_s,
        "policy": {
            "policy_function": "timbral.serving.ray.scaling:EngineScaling",
            "policy_kwargs": {
                "streams": cluster.streams_per_engine,
                "first_sound_s": cluster.first_sound_s,
            },
        },
    }
    engines = serve.deployment(Engine).options(
        name="Engine",
        max_ongoing_requests=config.engine.streams,
        max_queued_requests=config.engine.queue or -1,
        autoscaling_config=scaling,
        ray_actor_options={"num_cpus": cluster.cpus_per_engine},
        graceful_shutdown_timeout_s=config.shutdown_timeout_s,
        health_check_period_s=5,
    )
    api = serve.deployment(serve.ingress()(Api)).options(
        name="Api",
        num_replicas=cluster.ingresses,
        max_ongoing_requests=_MANY,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_timeout_s=config.shutdown_timeout_s,
    )
    return api.bind(settings, engines.bind(settings))


class Api:
    """The ingress: the same application as on one machine, over engines elsewhere."""

    def __init__(self, settings: dict[str, Any], engines: "DeploymentHandle[Any]") -> None:
        config = ServeConfig(**settings)
        cluster, engine = config.ray, config.engine
        streams = max(1, engine.streams * cluster.max_engines // cluster.ingresses)
        self._config = config.model_copy(update={"engine": engine.model_copy(update={"streams": streams})})
        self._engines = engines

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Called by Ray in the process of the ingress."""
        logs.configure(self._config.log_format)
        pool = RemotePool(self._engines)
        services = Services.open(self._config, pool, WorkerTask)
        services.metrics.watch(
            "timbral_speeches_resumed", "Speeches that went on with another engine.", lambda: pool.resumed
        )
        check_access(services)
        check_models(services)
        return make_app(services)
