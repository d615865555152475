"""Listens for Home Assistant beside the HTTP server, in the same loop."""

import asyncio
import ipaddress
import logging
import socket
from urllib.parse import urlsplit

from timbral.errors import SettingError
from timbral.serving.access.keys import LOCAL_OWNER, Principal
from timbral.serving.services import Services
from timbral.serving.wyoming.handler import Handler

_log = logging.getLogger("timbral.serving")
_LINE = 1 << 20
"""Bytes of the first line of an event."""


def bind(uri: str, *, everybody: bool) -> socket.socket:
    """A socket at `tcp://HOST:PORT`. everybody: whether other machines may reach it.

    Raises SettingError: not such an address, taken, or open to others although the protocol knows no keys.
    """
    try:
        parsed = urlsplit(uri)
        host, port = parsed.hostname, parsed.port
    except ValueError:
        host = port = None
    if host is None or port is None or parsed.scheme != "tcp":
        raise SettingError(f"setting wyoming_uri: {uri[:80]!r} is not tcp://HOST:PORT")
    if not everybody and not _is_local(host):
        raise SettingError(
            f"{host} can be reached by other machines, and Wyoming knows no keys: --open serves everybody"
        )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or error
        raise SettingError(f"{uri} cannot be used ({reason}); choose another with --wyoming-uri") from None


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Listener:
    """The clients of one socket. They speak as the owner of what is made on this machine."""

    def __init__(self, services: Services, bound: socket.socket) -> None:
        self._services, self._socket = services, bound
        self._principal = Principal(LOCAL_OWNER, "wyoming", frozenset(("speak",)))
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Takes connections from now on."""
        self._server = await asyncio.start_server(self._serve, sock=self._socket, limit=_LINE)
        host, port = self._socket.getsockname()[:2]
        _log.info("Wyoming at tcp://%s:%s", f"[{host}]" if ":" in host else host, port)

    async def stop(self) -> None:
        """Takes no more connections, and ends those that there are."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        services = self._services
        if services.sessions >= services.config.limits.sessions:
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        services.sessions += 1
        try:
            await Handler(reader, writer, services, self._principal).run()
        finally:
            services.sessions -= 1
            self._tasks.discard(task)
