"""One-file models: packed to the same bytes, unpacked whole or not at all, whatever the bytes are."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import timbral
from tests.helpers.packages import CONTENTS, description, manifest_of, package_of, small_bundle
from tests.helpers.resident import needs_resident_size, resident_mb
from timbral.cli import main
from timbral.errors import BundleError
from timbral.models import embedded_path, models_folder, read_bundle, write_manifest
from timbral.models.package import pack, unpack
from timbral.paths import cache_folder, sha256

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "small.timbral"
    pack(small_bundle(tmp_path / "small"), path)
    return path


def test_a_package_is_the_model_again_and_has_the_same_bytes_every_time(
    package: Path, tmp_path: Path
) -> None:
    unpack(package, tmp_path / "again")
    bundle = read_bundle(tmp_path / "again")
    assert {name: bundle.path(name).read_bytes() for name in bundle.manifest.files} == CONTENTS
    assert pack(tmp_path / "again", tmp_path / "b.timbral") == sha256(package)


def test_load_speaks_from_one_file_and_unpacks_it_once(tmp_path: Path) -> None:
    path = tmp_path / "tiny.timbral"
    pack(embedded_path(), path)
    assert path.stat().st_size < 0.95 * read_bundle(embedded_path(), verify=False).size
    speech = timbral.load(path, languages=()).say("Hello.", seed=1)
    expected = timbral.load(languages=()).say("Hello.", seed=1)
    assert (speech.samples == expected.samples).all()
    (folder,) = (cache_folder() / "unpacked").iterdir()
    assert folder.name == sha256(path)
    before = folder.stat().st_mtime_ns
    timbral.load(str(path), languages=())
    assert folder.stat().st_mtime_ns == before
    (folder / "latent.onnx").write_bytes(b"altered")
    with pytest.raises(BundleError, match="damaged or was altered"):
        timbral.load(path)


def refused(path: Path, folder: Path) -> str:
    """The one line by which a package is refused; nothing is left of it."""
    with pytest.raises(BundleError) as error:
        unpack(path, folder / "out" / "model")
    assert list((folder / "out").iterdir()) == [] if (folder / "out").exists() else True
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_package_that_is_cut_off_or_altered_is_refused(package: Path, tmp_path: Path) -> None:
    data = package.read_bytes()
    for length in (0, 5, 20, 60, len(data) // 2, len(data) - 1):
        package.write_bytes(data[:length])
        assert "damaged" in refused(package, tmp_path) or length < 8
    package.write_bytes(data + b"more")
    assert "damaged" in refused(package, tmp_path)
    package.write_bytes(b"PK\x03\x04" + data)
    assert "not a packed model" in refused(package, tmp_path)
    package.write_bytes(data.replace(b"TIMBRAL\x01", b"TIMBRAL\x02", 1))
    assert "upgrade timbral" in refused(package, tmp_path)


@given(at=st.integers(0), value=st.integers(1, 255))
def test_no_changed_byte_goes_through(tmp_path_factory: pytest.TempPathFactory, at: int, value: int) -> None:
    folder = tmp_path_factory.mktemp("changed")
    path = folder / "small.timbral"
    pack(small_bundle(folder / "small"), path)
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= value
    path.write_bytes(data)
    try:
        unpack(path, folder / "out")
    except BundleError:
        assert not (folder / "out").exists()
    else:  # a bit of the frame that has no meaning
        assert (folder / "out" / "b.weights").read_bytes() == CONTENTS["b.weights"]
    shutil.rmtree(folder)


def _with_files(change: Callable[[dict[str, Any]], None]) -> bytes:
    manifest = manifest_of(CONTENTS)
    change(manifest["files"])
    return package_of(manifest, b"".join(CONTENTS[name] for name in sorted(CONTENTS)))


ENTRY = {"sha256": "0" * 64, "bytes": 3}
LIES: dict[str, tuple[bytes, str]] = {
    "a path out of the folder": (
        _with_files(lambda files: files.update({"../x.onnx": ENTRY})),
        "plain file name",
    ),
    "an absolute path": (_with_files(lambda files: files.update({"/tmp/x": ENTRY})), "plain file name"),
    "the manifest's own name": (
        _with_files(lambda files: files.update({"bundle.json": ENTRY})),
        "plain file name",
    ),
    "a device": (_with_files(lambda files: files.update({"con.onnx": ENTRY})), "plain file name"),
    "names that differ in case": (_with_files(lambda files: files.update({"A.onnx": ENTRY})), "case only"),
    "a terabyte": (
        _with_files(lambda files: files["b.weights"].update({"bytes": 10**12})),
        "more than any model",
    ),
    "more than there is": (_with_files(lambda files: files["b.weights"].update({"bytes": 90000})), "damaged"),
    "less than there is": (_with_files(lambda files: files["b.weights"].update({"bytes": 9})), "damaged"),
    "another hash": (_with_files(lambda files: files["b.weights"].update({"sha256": "1" * 64})), "damaged"),
    "a huge window": (package_of(manifest_of(CONTENTS), bytes(1 << 20), window_log=27), "damaged"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_package_that_lies_is_refused(lie: str, tmp_path: Path) -> None:
    data, reason = LIES[lie]
    path = tmp_path / "lie.timbral"
    path.write_bytes(data)
    assert reason in refused(path, tmp_path)


@needs_resident_size
def test_memory_does_not_grow_with_what_is_inside(tmp_path: Path) -> None:
    """A small file that holds 300 MB of zeros."""
    manifest = manifest_of({})
    manifest["files"] = {"z.weights": {"sha256": "0" * 64, "bytes": 300 << 20}}
    path = tmp_path / "zeros.timbral"
    path.write_bytes(package_of(manifest, bytes(300 << 20)))
    before = resident_mb()
    assert "damaged" in refused(path, tmp_path)
    assert resident_mb() < before + 60


def test_pack_and_add_by_the_command_line(tmp_path: Path, home: Path, capfd: Captured) -> None:
    folder = small_bundle(tmp_path / "anna", "anna")
    package = tmp_path / "anna.timbral"
    assert main(["pack", str(folder), "-o", str(package), "--json"]) == 0
    digest = json.loads(capfd.readouterr().out)["sha256"]
    assert main(["models", "add", str(package), "--sha256", "0" * 64]) == 2
    assert "its SHA-256 is " + digest in capfd.readouterr().err
    assert main(["models", "add", str(package), "--sha256", digest]) == 0
    assert digest in capfd.readouterr().out
    assert read_bundle(models_folder() / "anna").manifest.name == "anna"
    assert main(["models", "add", str(package)]) == 0, "it is there already"
    capfd.readouterr()
    assert main(["models", "show", "anna"]) == 0
    shown = capfd.readouterr().out
    assert digest in shown
    assert "anna.timbral" in shown


def test_another_model_of_the_same_name_stays(tmp_path: Path, home: Path, capfd: Captured) -> None:
    packages = []
    for number, name in enumerate(("anna", "anna", "sovits-tiny")):
        folder = small_bundle(tmp_path / str(number), name)
        (folder / "lexicon.tsv").write_text("a word of mine\n")
        if number:
            (folder / "c.weights").write_bytes(b"other")
            write_manifest(folder, {**description(), "name": name})
        packages.append(tmp_path / f"{number}.timbral")
        pack(folder, packages[-1])
    assert main(["models", "add", str(packages[0])]) == 0
    assert main(["models", "add", str(packages[1])]) == 2
    assert "another model of the name anna" in capfd.readouterr().err
    assert main(["models", "add", str(packages[1]), "--name", "anna-2"]) == 0
    assert main(["models", "add", str(packages[2])]) == 2
    assert sorted(path.name for path in models_folder().iterdir()) == ["anna", "anna-2"]
    assert not (models_folder() / "anna" / "lexicon.tsv").exists(), (
        "the words of whoever packed it stay there"
    )
    for source in ("http://example.org/a.timbral", "ftp://example.org/a", "file:///etc/passwd"):
        assert main(["models", "add", source]) == 2
        assert "https only" in capfd.readouterr().err
