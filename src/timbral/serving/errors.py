"""Errors of the API in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`."""

from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from timbral.errors import (
    AudioError,
    BundleError,
    SettingError,
    SynthesisError,
    TextError,
    TimbralError,
    VoiceError,
)

_PARAMETERS: tuple[tuple[type[TimbralError], str], ...] = (
    (TextError, "input"),
    (VoiceError, "voice"),
    (AudioError, "ref_audio"),
)
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}


ERROR_SHAPE = "timbral.error_shape"
"""Where a request's scope holds the function that answers its errors, on addresses of another API than OpenAI's."""


class Problem(BaseModel):
    """What was wrong with a request."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """The body of every answer that is an error."""

    error: Problem


class ApiError(TimbralError):
    """A request that is refused, with its HTTP status."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = headers or {}


class BusyError(ApiError):
    """More work than the server takes on now. retry_after: seconds until it is worth trying again."""

    def __init__(self, message: str, retry_after: float, code: str = "server_busy") -> None:
        after = str(max(1, round(retry_after)))
        super().__init__(429, message, code=code, headers={"Retry-After": after})


def as_api_error(error: TimbralError) -> ApiError:
    """The answer to a mistake of a user that the package has found."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, BundleError):
        return ApiError(500, "the model is damaged; the operator's log says more", code="model_damaged")
    if isinstance(error, SynthesisError):
        return ApiError(422, str(error), code="synthesis_failed")
    param = next((name for kind, name in _PARAMETERS if isinstance(error, kind)), None)
    code = "invalid_value" if isinstance(error, SettingError) else None
    return ApiError(400, str(error), code=code, param=param)


def error_body(
    status: int, message: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """The JSON of an error."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    # What a client has sent may be in the message: half of a surrogate pair cannot be encoded.
    clean = message.encode("utf-8", "replace").decode("utf-8")
    return {"error": {"message": clean, "type": kind, "param": param, "code": code}}


def error_response(error: ApiError) -> JSONResponse:
    """The answer to a refused request."""
    body = error_body(error.status, str(error), error.code, error.param)
    return JSONResponse(body, error.status, headers=error.headers)
