"""Models and fine-tuned voices in memory: loaded once, within a budget, the least recently used goes first."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from timbral.models import embedded_path, models_folder
from timbral.serving.config import EngineConfig, PoolConfig
from timbral.serving.engine.pool import ModelPool
from timbral.serving.errors import ApiError
from timbral.serving.voices.cache import VoiceCache
from timbral.voices import load


def add_models(*names: str) -> None:
    """The embedded model under other names."""
    for name in names:
        folder = models_folder() / name
        folder.mkdir(parents=True)
        for file in embedded_path().iterdir():
            if file.is_file():
                (folder / file.name).hardlink_to(file)


def pool(evicted: list[str], **settings: object) -> ModelPool:
    config = PoolConfig.model_validate({"languages": (), **settings})
    return ModelPool(config, EngineConfig(), evicted.append)


def loaded(pool: ModelPool) -> list[str]:
    return [one["name"] for one in pool.status()["loaded"]]


def test_the_least_recently_used_goes_and_pinned_and_used_ones_stay(home: Path) -> None:
    add_models("one", "two", "three")
    evicted: list[str] = []
    models = pool(evicted, memory_mb=170, pinned=("one",))  # room for two
    for name in ("one", "two", "three"):
        with models.lease(name):
            pass
    assert loaded(models) == ["one", "three"]
    assert evicted == ["model"]
    with models.lease("three") as used, models.lease("two"):
        assert used.manifest.name == "sovits-tiny"
        assert set(loaded(models)) == {"one", "two", "three"}
    assert len(loaded(models)) == 2
    with pytest.raises(ApiError, match="no model 'four'"), models.lease("four"):
        pass
    with pytest.raises(ApiError), models.lease("../one"):
        pass


def test_a_model_is_loaded_once_however_many_ask(home: Path) -> None:
    models, start = pool([]), threading.Barrier(4)

    def ask(number: int) -> int:
        start.wait()
        with models.lease("sovits-tiny") as synthesizer:
            return id(synthesizer)

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(ask, range(4)))) == 1


def test_a_voice_is_read_once_and_the_least_recently_used_goes() -> None:
    voice, reads = load("default"), []
    looked_up: list[bool] = []
    cache = VoiceCache(60_000, looked_up.append)  # room for two
    for key in ("a", "b", "a", "c", "a", "b"):
        cache.get(key, lambda key=key: reads.append(key) or voice)  # type: ignore[misc,func-returns-value]
    assert reads == ["a", "b", "c", "b"]
    assert cache.size < 60_000
    with pytest.raises(ZeroDivisionError):
        cache.get("x", lambda: 1 // 0)  # type: ignore[arg-type,return-value]
    assert cache.get("x", lambda: voice) is voice
