"""The HTTP server of the proofreading page.

Any page in the browser can send requests to this machine, so every one has to carry a token that only the
opened page knows, and to be addressed to this machine by its own name.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from timbral.data.language import LANGUAGES
from timbral.data.proofreading.session import EditingSession, Item
from timbral.data.proofreading.sound import as_wav, peaks
from timbral.errors import TimbralError

TOKEN = "X-Timbral-Token"
_LOCAL = ("127.0.0.1", "localhost")
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; media-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_LONGEST_TEXT = 2000

Text = Annotated[str, Field(max_length=_LONGEST_TEXT)]


class Edit(BaseModel):
    """A corrected clip."""

    model_config = ConfigDict(extra="forbid")
    text: Text | None = None
    language: str | None = None


class Split(BaseModel):
    """Where a clip is to be divided, in seconds, and the texts of its parts."""

    model_config = ConfigDict(extra="forbid")
    seconds: float = Field(ge=0, le=3600)
    before: Text
    after: Text


@dataclass(frozen=True)
class _Guard:
    token: str

    async def __call__(self, request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        host = request.headers.get("host", "").rpartition(":")[0]
        given = request.headers.get(TOKEN) or (
            request.query_params.get("token", "") if request.url.path == "/" else ""
        )
        if host not in _LOCAL or not secrets.compare_digest(given.encode(), self.token.encode()):
            return JSONResponse({"problem": "open the address that `timbral proofread` printed"}, 403)
        response = await proceed(request)
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def make_app(session: EditingSession, token: str) -> FastAPI:
    """The server for one session; requests without the token are refused."""
    app = FastAPI(title="Timbral proofreading", docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(_Guard(token))
    page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")

    @app.exception_handler(TimbralError)
    def _mistake(request: Request, error: TimbralError) -> JSONResponse:
        return JSONResponse({"problem": str(error)}, 400)

    @app.exception_handler(RequestValidationError)
    def _malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        # The error holds what was sent, which need not be fit for an answer: NaN, lone surrogates.
        return JSONResponse({"problem": "the request is not what the page sends; load the page again"}, 422)

    @app.get("/")
    def show() -> HTMLResponse:
        return HTMLResponse(page)

    @app.get("/api/clips")
    def list_clips() -> dict[str, Any]:
        return {
            "name": session.path.name,
            "languages": LANGUAGES,
            "problems": session.problems,
            "clips": [_described(item) for item in session.items()],
        }

    @app.patch("/api/clips/{number}")
    def edit(number: int, change: Edit) -> dict[str, Any]:
        session.edit(number, change.text, change.language)
        return _described(session.find(number))

    @app.post("/api/clips/{number}/drop")
    def drop(number: int) -> dict[str, Any]:
        session.drop(number)
        return _described(session.find(number))

    @app.post("/api/clips/{number}/restore")
    def restore(number: int) -> dict[str, Any]:
        session.restore(number)
        return _described(session.find(number))

    @app.post("/api/clips/{number}/merge")
    def merge(number: int) -> dict[str, Any]:
        return _described(session.find(session.merge(number)))

    @app.post("/api/clips/{number}/split")
    def split(number: int, where: Split) -> list[dict[str, Any]]:
        return [
            _described(session.find(new))
            for new in session.split(number, where.seconds, where.before, where.after)
        ]

    _add_sound(app, session)
    return app


def _add_sound(app: FastAPI, session: EditingSession) -> None:
    @app.get("/api/clips/{number}/sound")
    def hear(number: int) -> Response:
        return Response(as_wav(session.find(number).line.audio), media_type="audio/wav")

    @app.get("/api/clips/{number}/peaks")
    def look(number: int) -> dict[str, Any]:
        values, seconds = peaks(session.find(number).line.audio)
        return {"peaks": values, "seconds": seconds}


def _described(item: Item) -> dict[str, Any]:
    line = item.line
    return {
        "number": item.number,
        "name": line.audio.name,
        "speaker": line.speaker,
        "language": line.language,
        "text": line.text,
        "reason": item.reason,
    }
