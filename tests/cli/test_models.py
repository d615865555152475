"""`timbral models`: the list, one model, and its removal."""

import json
import shutil
from pathlib import Path

import pytest

from timbral.cli import main
from timbral.hub import catalog
from timbral.models import embedded_path, models_folder, store

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def mine(home: Path) -> Path:
    """A copy of the embedded model under a name."""
    folder = models_folder() / "mine"
    shutil.copytree(embedded_path(), folder)
    return folder


def test_the_list_has_aligned_columns(mine: Path, capfd: Captured) -> None:
    assert main(["models"]) == 0
    first, second = capfd.readouterr().out.splitlines()
    assert first.startswith("sovits-tiny  ")
    assert second.startswith("mine         ")
    assert first.index("MB") == second.index("MB")


def test_show(mine: Path, capfd: Captured) -> None:
    assert main(["models", "show", "mine"]) == 0
    out = capfd.readouterr().out
    assert str(mine) in out
    assert "all intact" in out
    assert main(["models", "show", "sovits-tiny", "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["sample_rate"] == 24_000
    assert facts["files"]["vocoder.onnx"] > 0
    (mine / "vocoder.onnx").write_bytes(b"altered")
    assert main(["models", "show", "mine"]) == 2
    assert "vocoder.onnx is damaged" in capfd.readouterr().err


def test_remove(mine: Path, capfd: Captured) -> None:
    assert main(["models", "remove", "mine"]) == 0
    assert list(models_folder().iterdir()) == []
    for name, reason in (("mine", "no model of the name 'mine'"), ("sovits-tiny", "inside the package")):
        assert main(["models", "remove", name]) == 2
        assert reason in capfd.readouterr().err
    assert embedded_path().is_dir()


def test_a_published_model_that_is_not_here_is_pulled(home: Path, capfd: Captured) -> None:
    assert tuple(model.name for model in catalog.MODELS) == store.PUBLISHED
    assert main(["models", "show", "V2pro"]) == 2
    assert "`timbral pull v2Pro` gets it" in capfd.readouterr().err
