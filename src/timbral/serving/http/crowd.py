"""Refuses speech before anything is read or looked up, while the server speaks as much as it can: most requests of a crowd."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from timbral.serving.access.keys import Keys
from timbral.serving.engine.admission import Admission
from timbral.serving.errors import ApiError, BusyError, error_response
from timbral.serving.metrics import Metrics

_SPEECH = "/v1/audio/speech"


class CrowdCheck:
    """ASGI middleware. Only what it refuses itself is decided here: a wrong key is the route's business."""

    def __init__(self, app: ASGIApp, admission: Admission, keys: Keys, metrics: Metrics) -> None:
        self._app, self._admission, self._keys, self._metrics = app, admission, keys, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] == "http" and scope["path"] == _SPEECH:
            error = self._refusal(scope)
            if error is not None:
                self._metrics.rejected.labels(error.code).inc()
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> BusyError | None:
        self._admission.note()
        if not self._admission.taken:
            return None
        kind, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        try:
            principal = self._keys.authenticate(key.strip() if kind.lower() == "bearer" else None)
            self._admission.check(principal.key_id)
        except BusyError as error:
            return error
        except ApiError:
            pass
        return None
