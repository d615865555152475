"""What several tests need: a home of their own, a manifest without a model, and the same examples each time.

Properties are tested on the same examples in every run, so that a failure is due to a change of the code;
`HYPOTHESIS_PROFILE=search` looks for new ones.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from timbral.models import Manifest

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
# A job in the background of a shell ignores interrupts, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for named voices and models, so that a test never meets those of the user."""
    folder = tmp_path_factory.mktemp("home") / "timbral"
    monkeypatch.setenv("TIMBRAL_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def mel_graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The graphs of small networks of v3 and v4, in a folder for each.

    The golden recipe gives the same weights to both, so what differs is the mel of a reference and the vocoder.
    """
    from tests.helpers import mel_acoustic_models as models
    from tests.helpers.traced_once import kept_in, traced_once
    from timbral.conversion.export import mel_acoustic as export
    from timbral.nets.spectrogram import V3

    root = tmp_path_factory.mktemp("mel_acoustic")
    with traced_once(kept_in(tmp_path_factory)):
        export.export_mel_acoustic(models.small_network(), V3, root / "v3")
        shutil.copytree(root / "v3", root / "v4")
        for family in ("v3", "v4"):
            export.export_mel_vocoder(models.small_vocoder(family), root / family)
    return {"v3": root / "v3", "v4": root / "v4"}


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Networks are traced once in a run, whichever test exports them first."""
    from tests.helpers.traced_once import kept_in, traced_once

    with traced_once(kept_in(tmp_path_factory)):
        yield


@pytest.fixture(scope="session")
def official_bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small random bundles of v2, v2Pro, v3 and v4, of the networks that importing is tested with."""
    from tests.helpers import official_bundles
    from tests.helpers.traced_once import kept_in, traced_once

    with traced_once(kept_in(tmp_path_factory)):
        return official_bundles.build(tmp_path_factory.mktemp("official"))


@pytest.fixture
def description() -> dict[str, Any]:
    """The manifest of a small model, without its files."""
    return {
        "name": "tiny-test",
        "family": "sovits-tiny",
        "version": "1",
        "languages": ["zh", "en"],
        "symbols": "v2",
        "sample_rate": 24000,
        "token_rate": 25,
        "precision": "fp32",
        "semantic": {
            "layers": 2,
            "heads": 4,
            "hidden": 64,
            "vocabulary": 1025,
            "eos": 1024,
            "phonemes": 732,
            "capacity": 1024,
        },
        "acoustic": {
            "kind": "source-filter",
            "hop": 240,
            "frames_per_token": 4,
            "context_tokens": 12,
            "chunk_tokens": 24,
            "timbre_size": 256,
        },
        "reference": {"rate": 16000},
        "licence": "CC0-1.0",
        "attribution": "nobody",
    }


@pytest.fixture
def manifest(description: dict[str, Any]) -> Manifest:
    """The same, as one file of such a model would say it."""
    files = {"x.onnx": {"sha256": "0" * 64, "bytes": 1}}
    return Manifest.model_validate({**description, "format": 1, "files": files}, strict=False)
