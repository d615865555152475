"""Protects a server on this machine from pages in the browser: any page can send requests to 127.0.0.1."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from timbral.serving.access.keys import Keys
from timbral.serving.errors import ApiError, error_response

_LOCAL = frozenset(("127.0.0.1", "localhost", "::1"))


class OriginCheck:
    """ASGI middleware. On a server without keys, the Host and the Origin of a request have to be this machine, or one of
    the origins that the operator allows; a key that a foreign page cannot know protects the others.
    """

    def __init__(self, app: ASGIApp, keys: Keys, origins: tuple[str, ...], *, local: bool) -> None:
        """local: whether the server is bound to this machine alone."""
        self._app, self._keys, self._origins, self._local = app, keys, origins, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] in ("http", "websocket") and not self._keys.exist():
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            foreign = origin is not None and origin not in self._origins and not self._same(origin, headers)
            if foreign or (self._local and _name(f"//{headers.get('host', '')}") not in _LOCAL):
                message = (
                    "pages of other origins cannot use this server; the operator can allow them (origins)"
                )
                error = ApiError(403, message, code="foreign_origin")
                if scope["type"] == "http":
                    await error_response(error)(scope, receive, send)
                else:
                    await send({"type": "websocket.close", "code": 1008, "reason": message})
                return
        await self._app(scope, receive, send)

    @staticmethod
    def _same(origin: str, headers: Headers) -> bool:
        return origin.partition("://")[2] == headers.get("host", "")


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
