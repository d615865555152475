"""Runs the application on a port until it is told to stop, and then lets streams finish."""

import logging
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from timbral.errors import SettingError
from timbral.serving import logs
from timbral.serving.app import make_app
from timbral.serving.config import ServeConfig
from timbral.serving.http.protocol import TimedProtocol
from timbral.serving.memory import limit_arenas
from timbral.serving.services import Services

_log = logging.getLogger("timbral.serving")
_BACKLOG = 1024


class _Server(uvicorn.Server):
    """Takes no new requests after the first signal; a second Ctrl-C does not wait for streams."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self._services = services
        services.request_stop = self.stop

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
    with _bound(config) as bound:
        host, port = bound.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        server = _server(services)
        opened(address)
        server.run(sockets=[bound.dup()])
        while services.restart:
            services = Services.open(config)
            _server(services).run(sockets=[bound.dup()])


def _server(services: Services) -> _Server:
    config = services.config
    settings = uvicorn.Config(
        make_app(services),
        http=TimedProtocol.of(config.limits.header_timeout_s),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(config.shutdown_timeout_s) or 1,
        ws="none",
    )
    return _Server(settings, services)


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
