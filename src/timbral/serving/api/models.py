"""`/v1/models` and `/v1/pool`: which models there are, and which are in memory."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from timbral.serving.api.dependencies import REFUSALS, CanSpeak, IsAdmin, Parts
from timbral.serving.errors import ApiError
from timbral.serving.services import Services

router = APIRouter(tags=["models"], responses=REFUSALS)


class Model(BaseModel):
    """A model that can be spoken with."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "timbral"
    languages: list[str] = []
    sample_rate: int = 0
    licence: str = ""


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/v1/models", summary="List the models")
def list_models(parts: Parts, principal: CanSpeak) -> ModelList:
    """Models by name, with the names that stand for them."""
    return ModelList(data=list(_models(parts).values()))


@router.get("/v1/models/{name:path}", summary="Show a model")
def show_model(name: str, parts: Parts, principal: CanSpeak) -> Model:
    """One model."""
    found = _models(parts).get(name)
    if found is None:
        raise ApiError(404, f"there is no model {name[:80]!r}", code="model_not_found", param="model")
    return found


@router.get("/v1/pool", tags=["operation"], summary="Show what is in memory")
def show_pool(parts: Parts, principal: IsAdmin) -> dict[str, Any]:
    """Loaded models and fine-tuned voices, how much memory they take by estimate, and how much they may."""
    return parts.pool.status()


class Pinning(BaseModel):
    """Whether a model is to stay in memory."""

    pinned: bool


@router.post("/v1/pool/{name}", tags=["operation"], summary="Load a model, and pin it or not")
async def load_model(name: str, pinning: Pinning, parts: Parts, principal: IsAdmin) -> dict[str, Any]:
    """Loads a model unless it is there, and keeps it in memory if it is pinned."""

    def load() -> dict[str, Any]:
        with parts.pool.lease(name):
            parts.pool.pin(name, pinning.pinned)
        return parts.pool.status()

    return await run_in_threadpool(load)


def _models(parts: Services) -> dict[str, Model]:
    known = {
        name: Model(
            id=name,
            languages=list(bundle.manifest.languages),
            sample_rate=bundle.manifest.sample_rate,
            licence=bundle.manifest.licence,
        )
        for name, bundle in parts.pool.known().items()
    }
    aliases = parts.config.model_aliases.items()
    named = {alias: known[name].model_copy(update={"id": alias}) for alias, name in aliases if name in known}
    return {**known, **named}
