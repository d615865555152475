"""`timbral serve --ray`: deploys the application on a cluster, which it starts where there is none, until it is told to stop."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import ray
from ray import serve as ray_serve

from timbral.errors import SettingError
from timbral.serving import logs
from timbral.serving.config import ServeConfig
from timbral.serving.ray.application import application
from timbral.serving.server import check_access, check_models
from timbral.serving.services import Services

_OBJECTS = 256 << 20
"""Bytes of a local cluster's object store: pieces of sound pass through, nothing stays."""


def serve(config: ServeConfig, opened: Callable[[str], None] = print) -> None:
    """Serves until SIGINT or SIGTERM, and then lets streams finish.

    opened: is given the address when requests are taken. Raises SettingError: as the server of one process does, and no
    cluster at `ray.address`.
    """
    logs.configure(config.log_format)
    if config.wyoming:
        raise SettingError("Wyoming is served by one process: leave --ray or --wyoming out")
    services = Services.open(config)
    check_access(services)
    check_models(services)
    services.close()
    port = config.port or _free_port(config.host)
    _join(config)
    try:
        ray_serve.start(
            proxy_location="HeadOnly",
            http_options={
                "host": config.host,
                "port": port,
                "request_timeout_s": config.engine.request_timeout_s,
            },
        )
        ray_serve.run(application(config), name="timbral")
        opened(f"http://{f'[{config.host}]' if ':' in config.host else config.host}:{port}")
        _until_told()
        ray_serve.shutdown()
    finally:
        ray.shutdown()


def _join(config: ServeConfig) -> None:
    address = config.ray.address or os.environ.get("RAY_ADDRESS")
    local: dict[str, Any] = {} if address else {"object_store_memory": _OBJECTS, "include_dashboard": False}
    try:
        ray.init(address=address, namespace="timbral", log_to_driver=False, **local)
    except ConnectionError as error:
        reason = str(error).splitlines()[0]
        raise SettingError(f"no Ray cluster at {str(address)[:80]!r} ({reason}); check ray.address") from None


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def _until_told() -> None:
    told = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        told.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not told.wait(1):
            pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
