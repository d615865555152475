"""A bundle is used only when it is whole, unaltered and understood; anything else is said in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from timbral.errors import BundleError
from timbral.models import embedded_path, list_bundles, open_bundle, read_bundle, write_manifest


@pytest.fixture
def folder(tmp_path: Path, description: dict[str, Any]) -> Path:
    model = tmp_path / "model"
    model.mkdir()
    (model / "content.onnx").write_bytes(b"content" * 1000)
    (model / "vocoder.onnx").write_bytes(b"vocoder" * 1000)
    write_manifest(model, description)
    return model


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "bundle.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_a_sealed_folder_opens(folder: Path) -> None:
    bundle = open_bundle(folder)
    assert bundle.manifest.name == "tiny-test"
    assert bundle.manifest.semantic.sampling.top_k == 15
    assert bundle.path("vocoder.onnx").read_bytes().startswith(b"vocoder")
    assert bundle.size == 14000
    with pytest.raises(BundleError, match=r"no speaker\.onnx"):
        bundle.path("speaker.onnx")


def test_desktop_clutter_is_no_part_of_a_model(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "Thumbs.db").write_bytes(b"x")
    read_bundle(folder)


def flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "vocoder.onnx").read_bytes())
    content[500] ^= 1
    (folder / "vocoder.onnx").write_bytes(content)


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (lambda f: (f / "content.onnx").unlink(), r"content\.onnx is missing"),
        (lambda f: (f / "extra.py").write_text("print()"), r"extra\.py is not part"),
        (lambda f: (f / "extra").mkdir(), "extra is not part"),
        (flip_a_bit, r"vocoder\.onnx is damaged or was altered"),
        (lambda f: (f / "vocoder.onnx").write_bytes(b"short"), "altered"),
        (lambda f: (f / "bundle.json").unlink(), r"has no bundle\.json"),
        (lambda f: (f / "bundle.json").write_bytes(b"\xff\xfe{"), "cannot be read"),
        (lambda f: (f / "bundle.json").write_text("{"), "json"),
        (lambda f: (f / "bundle.json").write_text("[" * 100_000), "json"),
        (lambda f: (f / "bundle.json").write_text(" " * (2 << 20)), "too large"),
    ],
)
def test_tampered_folders_are_refused(folder: Path, tamper: Callable[[Path], object], reason: str) -> None:
    tamper(folder)
    with pytest.raises(BundleError, match=reason) as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(format=2), "format 2 is unknown.*upgrade"),
        (lambda m: m.update(family="sovits-huge"), "family 'sovits-huge' is unknown.*upgrade"),
        (lambda m: m["acoustic"].update(kind="diffusion"), "kind 'diffusion' is unknown.*upgrade"),
        (lambda m: m.update(colour="red"), "colour: extra"),
        (lambda m: m.pop("licence"), "licence: field required"),
        (lambda m: m.update(sample_rate="24000"), "sample_rate: input should be a valid integer"),
        (lambda m: m.update(sample_rate=22050), "not sample_rate"),
        (lambda m: m["semantic"].update(eos=1025), "eos must be the last"),
        (lambda m: m["semantic"].update(phonemes=700), "symbol table"),
        (lambda m: m["files"]["content.onnx"].update(sha256="0"), "sha256"),
        (lambda m: m.update(languages=["xx"]), "languages"),
        (lambda m: m.update(precisions={"x.onnx": "int8"}), "precisions names a file"),
        (
            lambda m: m.update(quantization={"semantic": {}}),
            "quantization.semantic.agreement: field required",
        ),
        (lambda m: m.update(name="../../x"), "name"),
    ],
)
def test_manifests_that_do_not_hold_are_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    edit(folder, change)
    with pytest.raises(BundleError, match=reason) as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("../content.onnx", "/etc/passwd", "a/b.onnx", "a\\b.onnx", "C:x.onnx", "..", ".hidden", "nul"),
        *("COM1.onnx", "x.onnx ", "x\n.onnx", "x\u202e.onnx", "", "bundle.json"),
    ],
)
def test_file_names_cannot_leave_the_folder(folder: Path, name: str) -> None:
    edit(folder, lambda m: m["files"].update({name: m["files"]["content.onnx"]}))
    with pytest.raises(BundleError, match="plain file name") as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)


def test_names_that_differ_in_case_are_refused(folder: Path) -> None:
    edit(folder, lambda m: m["files"].update({"CONTENT.onnx": m["files"]["content.onnx"]}))
    with pytest.raises(BundleError, match="case"):
        read_bundle(folder)


def test_named_models_are_found_and_listed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMBRAL_HOME", str(tmp_path / "home"))
    assert [name for name, _ in list_bundles()] == ["sovits-tiny"]
    (tmp_path / "home" / "models").mkdir(parents=True)
    folder.rename(tmp_path / "home" / "models" / "mine")
    broken = tmp_path / "home" / "models" / "broken"
    broken.mkdir()
    (broken / "bundle.json").write_text("{}")
    found = dict(list_bundles())
    assert list(found) == ["sovits-tiny", "broken", "mine"]
    assert isinstance(found["broken"], BundleError)
    assert open_bundle("mine").manifest.name == "tiny-test"


@pytest.mark.parametrize("model", ["absent", "no/where", "../models", "", "x" * 5000, "a\0b"])
def test_an_unknown_model_is_said_with_the_known_ones(model: str) -> None:
    with pytest.raises(BundleError, match="sovits-tiny"):
        open_bundle(model)


def test_the_embedded_model_is_whole() -> None:
    bundle = open_bundle()
    assert bundle.folder == embedded_path()
    assert {"zh", "en"} <= set(bundle.manifest.languages)
    assert bundle.size < 40 << 20


def test_the_quantisation_error_of_an_earlier_version_is_read(
    folder: Path, description: dict[str, Any]
) -> None:
    error = {"agreement": 0.99, "error": 0.1, "places": 200}
    sound = {"signal_to_noise": 32.5, "log_mel": 0.2, "seconds": 8.0}
    write_manifest(folder, {**description, "losses": {"semantic": error, "acoustic": sound, "voices": 2}})
    report = read_bundle(folder).manifest.quantization
    assert report is not None
    assert (report.semantic.positions, report.recordings) == (200, 2)
    assert '"losses"' not in (folder / "bundle.json").read_text()
