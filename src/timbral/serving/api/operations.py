"""Health, readiness, metrics, and the page of interactive documentation, which loads nothing from elsewhere."""

from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError

from timbral import __version__
from timbral.serving.api.dependencies import REFUSALS, IsAdmin, Parts

router = APIRouter(tags=["operation"])

_ASSETS = "/docs/assets"


@router.get("/health", summary="Whether the process answers")
async def health() -> dict[str, str]:
    """Always ok, as long as there is an answer at all."""
    return {"status": "ok", "version": __version__}


@router.get(
    "/ready",
    summary="Whether requests can be served",
    responses={503: {"description": "Starting, stopping, or without its database."}},
)
def ready(parts: Parts) -> JSONResponse:
    """200 once models are loaded and the database answers; 503 before, and while the server stops."""
    state = "ready"
    if not parts.preloaded:
        state = "loading"
    elif parts.draining:
        state = "stopping"
    else:
        try:
            parts.database.ping()
        except SQLAlchemyError:
            state = "no database"
    return JSONResponse({"status": state}, 200 if state == "ready" else 503)


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={**REFUSALS, 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(parts: Parts, principal: IsAdmin) -> Response:
    """Counters and histograms; for keys with the scope admin, where the server has keys."""
    return Response(parts.metrics.text(), media_type="text/plain; version=0.0.4")


def add_docs(app: FastAPI) -> None:
    """Adds the page /docs, with Swagger UI from an installed package."""
    assets = StaticFiles(directory=str(files("fastapi_offline").joinpath("static")))
    app.mount(_ASSETS, assets, name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        settings: dict[str, Any] = {"persistAuthorization": True}
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=f"{app.title}: API",
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon.png",
            swagger_ui_parameters=settings,
        )
