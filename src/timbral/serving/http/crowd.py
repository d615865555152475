"""Refuses speech before anything is read or looked up, while the server speaks as much as it can: most requests of a crowd."""

from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from timbral.serving.access.keys import Keys
from timbral.serving.engine.admission import Admission, Arrival
from timbral.serving.errors import ApiError, BusyError, error_response
from timbral.serving.metrics import Metrics

ARRIVAL = "timbral.arrival"
"""Where the scope of a request for speech holds its Arrival; nowhere if the key is unknown."""
_SPEECH = "/v1/audio/speech"


class CrowdCheck:
    """ASGI middleware. Those that are let through wait until the others of a rush have been answered."""

    def __init__(self, app: ASGIApp, admission: Admission, keys: Keys, metrics: Metrics) -> None:
        self._app, self._admission, self._keys, self._metrics = app, admission, keys, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        # Behind a prefix, as Ray Serve gives one, a path has it in front.
        if scope["type"] != "http" or scope["path"].removeprefix(scope.get("root_path", "")) != _SPEECH:
            await self._app(scope, receive, send)
            return
        try:
            arrival = self._arrival(scope)
        except BusyError as error:
            self._metrics.rejected.labels(error.code).inc()
            await error_response(error)(scope, receive, send)
            return
        except ApiError:  # a key that is wrong; the route says so
            await self._app(scope, receive, send)
            return
        scope[ARRIVAL] = arrival
        try:
            await self._admission.calm()
            await self._app(scope, receive, send)
        finally:
            arrival.leave()

    def _arrival(self, scope: Scope) -> Arrival:
        scheme, key = get_authorization_scheme_param(Headers(scope=scope).get("authorization"))
        principal = self._keys.authenticate(key if scheme.lower() == "bearer" else None)
        return self._admission.arrive(principal.key_id)
