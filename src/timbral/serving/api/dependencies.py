"""What routes ask for: the parts of the server, and who sends the request.

They are coroutines, since the framework sends every other function to a thread, which a crowd would wait for.
"""

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from timbral.serving.access.keys import Principal, Scope
from timbral.serving.errors import ErrorBody
from timbral.serving.services import Services

_bearer = HTTPBearer(auto_error=False, description="An API key, where the server has any.")


async def services(request: Request) -> Services:
    """The parts of the server."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


Parts = Annotated[Services, Depends(services)]


async def request_id(request: Request) -> str:
    """What logs, records and answers call this request."""
    return str(request.scope.get("timbral.request_id", ""))


RequestId = Annotated[str, Depends(request_id)]


async def _authenticated(
    parts: Parts, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    principal = parts.keys.authenticate(credentials.credentials if credentials else None)
    parts.limits.count_request(principal)
    return principal


def requires(scope: Scope) -> Any:
    """A dependency: who sends the request, who has the scope. Raises ApiError (401, 403, 429)."""

    async def check(principal: Annotated[Principal, Depends(_authenticated)]) -> Principal:
        principal.require(scope)
        return principal

    return Depends(check)


CanSpeak = Annotated[Principal, requires("speak")]
CanKeepVoices = Annotated[Principal, requires("voices")]
CanTrain = Annotated[Principal, requires("train")]
IsAdmin = Annotated[Principal, requires("admin")]

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": text}
    for status, text in {
        400: "The request is wrong.",
        401: "No API key, or one that is unknown.",
        403: "The key, or the consent, does not allow it.",
        404: "There is no such thing.",
        408: "The request came too slowly.",
        409: "The name is taken.",
        413: "The request is too large.",
        422: "Nothing can be heard of the text.",
        429: "Too much at once, or a limit of the key; see Retry-After.",
        500: "A failure of the server.",
        503: "The server is stopping, or the speech took too long.",
    }.items()
}
"""The errors of every route, for the OpenAPI document."""
