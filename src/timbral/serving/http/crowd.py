"""Refuses speech before anything is read or looked up, while not even the queue has room: most requests of a crowd."""

from starlette.types import ASGIApp, Receive, Scope, Send

from timbral.serving.engine.admission import Admission
from timbral.serving.errors import error_response
from timbral.serving.metrics import Metrics

_SPEECH = "/v1/audio/speech"


class CrowdCheck:
    """ASGI middleware. Who is let through may still be refused, by the share of the key."""

    def __init__(self, app: ASGIApp, admission: Admission, metrics: Metrics) -> None:
        self._app, self._admission, self._metrics = app, admission, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] == "http" and scope["path"] == _SPEECH and self._admission.full:
            error = self._admission.busy()
            self._metrics.rejected.labels(error.code).inc()
            await error_response(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)
