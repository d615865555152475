"""The application: routes, what surrounds them, and how errors are answered."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from timbral import __version__
from timbral.errors import TimbralError
from timbral.serving import official
from timbral.serving.api import consents, jobs, models, operations, speech, speech_stream, voices
from timbral.serving.api.speech_request import SpeechRequest
from timbral.serving.errors import ERROR_SHAPE, ApiError, as_api_error, error_body, error_response
from timbral.serving.http.bodies import BodyLimits
from timbral.serving.http.crowd import CrowdCheck
from timbral.serving.http.origins import OriginCheck
from timbral.serving.http.tracking import HEADER, ID, Tracking
from timbral.serving.services import Services

_log = logging.getLogger("timbral.serving")

_CLIENT_CLOSED = 499

ROUTERS = (
    speech.router,
    speech_stream.router,
    voices.router,
    consents.router,
    jobs.router,
    models.router,
    operations.router,
)


def make_app(services: Services) -> FastAPI:
    """The application for one set of services, which it closes at its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.ensure_future(run_in_threadpool(services.preload))
        loading.add_done_callback(_report)
        services.monitor.start()
        yield
        services.draining = True
        await run_in_threadpool(services.close)

    app = FastAPI(
        title="Timbral",
        version=__version__,
        description="Few-shot voice cloning, with OpenAI's speech API.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    for router in ROUTERS:
        app.include_router(router)
    if services.config.official_api:
        official.add_to(app, services.config.official)
    operations.add_docs(app)
    _add_errors(app)
    _describe_bodies(app)
    # The last one added is the first to see a request.
    config = services.config
    app.add_middleware(BodyLimits, config=config.limits)
    app.add_middleware(
        CrowdCheck, admission=services.speaker.admission, keys=services.keys, metrics=services.metrics
    )
    if config.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=config.origins, allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(OriginCheck, keys=services.keys, origins=config.origins, local=config.on_loopback)
    app.add_middleware(Tracking, metrics=services.metrics)
    return app


def _report(loading: "asyncio.Future[None]") -> None:
    if not loading.cancelled() and (error := loading.exception()):
        _log.error("models could not be loaded: %s", error)


def _shaped(request: Request, error: ApiError) -> JSONResponse:
    answer: JSONResponse = request.scope.get(ERROR_SHAPE, error_response)(error)
    return answer


def _add_errors(app: FastAPI) -> None:
    """Every error has the shape of its API, also those of the framework."""

    @app.exception_handler(TimbralError)
    async def refused(request: Request, error: TimbralError) -> JSONResponse:
        answer = as_api_error(error)
        if answer.status >= 500:
            _log.error("%s", error, extra={"request_id": request.scope.get(ID)})
        services: Services = request.app.state.services
        services.metrics.rejected.labels(answer.code or str(answer.status)).inc()
        return _shaped(request, answer)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        problem = error.errors()[0]
        # The first word is where it was found: body, query, path.
        where = ".".join(map(str, problem["loc"][1:])) or str(problem["loc"][0])
        message = f"{where}: {problem['msg'].lower()}"
        return _shaped(request, ApiError(400, message, code="invalid_value", param=where))

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, TimbralError):  # the framework hides what was wrong with the body
            return _shaped(request, as_api_error(error.__cause__))
        return JSONResponse(
            error_body(error.status_code, str(error.detail)), error.status_code, headers=error.headers
        )

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=_CLIENT_CLOSED)  # for the log alone

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        name = request.scope.get(ID, "")
        message = f"a failure of the server; its log says more under {name}"
        return JSONResponse(error_body(500, message), 500, headers={HEADER: name})


def _describe_bodies(app: FastAPI) -> None:
    """Adds to the OpenAPI document the body that the route of speech reads by itself."""
    generate = app.openapi

    def described() -> dict[str, object]:
        document = generate()
        schemas = document["components"]["schemas"]
        if "SpeechRequest" not in schemas:
            schema = SpeechRequest.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas["SpeechRequest"] = schema
        return document

    app.openapi = described  # type: ignore[method-assign]
