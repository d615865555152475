"""Runs the application on a port until it is told to stop, and then lets streams finish."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import FrameType

import uvicorn

from timbral.errors import SettingError
from timbral.serving import logs
from timbral.serving.app import make_app
from timbral.serving.config import ServeConfig
from timbral.serving.http.protocol import TimedProtocol
from timbral.serving.memory import limit_arenas
from timbral.serving.services import Services
from timbral.serving.wyoming import Listener, bind

_log = logging.getLogger("timbral.serving")
_BACKLOG = 1024
_WAIT_S = 0.02
_BASE64_MB, _OTHERS = 4 * (1 << 20) // 3, 1 << 19
"""Bytes of a WebSocket's message: for each MB of a recording, and for the rest of it."""


class _Server(uvicorn.Server):
    """Takes no new requests after the first signal; a second Ctrl-C does not wait for streams."""

    def __init__(self, config: uvicorn.Config, services: Services, listener: Listener | None) -> None:
        super().__init__(config)
        self._services, self._listener = services, listener
        services.request_stop = self.stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes requests, and those of Home Assistant."""
        await super().startup(sockets)
        if self._listener is not None:
            await self._listener.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finishes what is being spoken; uvicorn itself would wait for answers, but not for WebSockets."""
        services, seconds = self._services, self._services.config.shutdown_timeout_s
        deadline = time.monotonic() + seconds
        while services.speaker.admission.active and not self.force_exit and time.monotonic() < deadline:
            await asyncio.sleep(_WAIT_S)
        if self._listener is not None:
            await self._listener.stop()
        await super().shutdown(sockets)

    def stop(self) -> None:
        """Stops after the streams that run."""
        self._services.draining = True
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stops; unlike uvicorn's own, without raising the signal again afterwards: to stop is no failure."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.stop()


def serve(config: ServeConfig, opened: Callable[[str], None] = print) -> None:
    """Serves until SIGINT or SIGTERM.

    opened: is given the address when requests are taken. Raises SettingError: the port is taken, storage cannot be used, or
    others than this machine could use the server without a key.
    """
    limit_arenas()
    logs.configure(config.log_format)
    services = Services.open(config)
    check_access(services)
    check_models(services)
    with _bound(config) as bound, _bound_wyoming(config) as spoken:
        host, port = bound.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        server = _server(services, spoken)
        opened(address)
        server.run(sockets=[bound.dup()])
        while services.restart:
            services = Services.open(config)
            _server(services, spoken).run(sockets=[bound.dup()])


def _server(services: Services, spoken: socket.socket | None) -> _Server:
    config = services.config
    listener = None if spoken is None else Listener(services, spoken.dup())
    settings = uvicorn.Config(
        make_app(services),
        http=TimedProtocol.of(config.limits.header_timeout_s),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(config.shutdown_timeout_s) or 1,
        ws="websockets-sansio",
        # A message may carry a recording as base64.
        ws_max_size=config.limits.recording_mb * _BASE64_MB + _OTHERS,
        ws_per_message_deflate=False,
    )
    return _Server(settings, services, listener)


def check_access(services: Services) -> None:
    """Raises SettingError: others than this machine could use the server without a key."""
    config = services.config
    if services.keys.exist():
        return
    if not config.on_loopback and not config.open:
        raise SettingError(
            f"{config.host} can be reached by other machines, and there is no API key: `timbral keys add NAME` makes one, "
            "or --open serves everybody"
        )
    who = "every program on this machine" if config.on_loopback else "everybody who reaches it"
    _log.warning("no API keys: %s may use this server; `timbral keys add NAME` closes it", who)


def check_models(services: Services) -> None:
    """Raises SettingError: the settings name a model that is not there."""
    config, known = services.config, services.pool.known()
    for name in (config.default_model, *config.pool.preload, *config.pool.pinned):
        if name not in known:
            raise SettingError(f"there is no model {name[:80]!r}; there are {', '.join(known)}")


def _bound_wyoming(config: ServeConfig) -> AbstractContextManager[socket.socket | None]:
    return bind(config.wyoming_uri, everybody=config.open) if config.wyoming else nullcontext()


def _bound(config: ServeConfig) -> socket.socket:
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, number)
    except OSError as error:
        raise SettingError(f"host {config.host[:80]!r} cannot be used ({error})") from None
    try:
        if os.name == "posix":  # on Windows it would let a second server take the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        reason = error.strerror or error
        raise SettingError(
            f"port {config.port} cannot be used ({reason}); choose another with --port"
        ) from None
    return bound
