"""`timbral compress`: steps in order, resumed to the same bytes, refused in one line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from timbral.cli import main
from timbral.models import read_bundle
from timbral.models.package import unpack

pytestmark = pytest.mark.usefixtures("traced")

pytest.importorskip("torch")
pytest.importorskip("onnx")

Captured = pytest.CaptureFixture[str]
STEPS = "quantize:loss=0.5"


def hashes(folder: Path) -> dict[str, str]:
    return {name: entry.sha256 for name, entry in read_bundle(folder).manifest.files.items()}


def command(parent: Path, out: Path, work: Path) -> list[str]:
    model = [str(parent), "-o", str(out), "--steps", STEPS, "--work", str(work)]
    return [sys.executable, "-m", "timbral", "compress", *model]


@pytest.mark.skipif(os.name == "nt", reason="kills a process by SIGKILL")
def test_a_compression_that_was_killed_ends_with_the_same_bytes(
    official_bundles: dict[str, Path], tmp_path: Path
) -> None:
    parent = official_bundles["v2"]
    assert main([*command(parent, tmp_path / "whole", tmp_path / "work-1")[3:]]) == 0
    work = tmp_path / "work-2"
    process = subprocess.Popen(command(parent, tmp_path / "out", work), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        journals = list(work.glob("*.work/sensitivity.json"))
        if journals and len(json.loads(journals[0].read_text("utf-8"))) > 5:
            break
        time.sleep(0.02)
    else:
        pytest.fail("nothing was measured")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out").exists()
    measured = json.loads(journals[0].read_text("utf-8"))
    assert main([*command(parent, tmp_path / "out", work)[3:]]) == 0
    assert len(measured) > 5
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")


def test_a_finished_step_is_used_again(official_bundles: dict[str, Path], tmp_path: Path) -> None:
    arguments = command(official_bundles["v2"], tmp_path / "a", tmp_path / "work")[3:]
    assert main(arguments) == 0
    (result,) = (tmp_path / "work").glob("1-quantize-*")
    before = (result / "bundle.json").stat().st_mtime_ns
    assert main([str(tmp_path / "b") if one == str(tmp_path / "a") else one for one in arguments]) == 0
    assert (result / "bundle.json").stat().st_mtime_ns == before
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


def test_steps_follow_each_other_into_one_file(
    official_bundles: dict[str, Path], tmp_path: Path, home: Path, capfd: Captured
) -> None:
    target = tmp_path / "small.timbral"
    steps = "quantize:precision=fp16 + quantize:precision=int4,rounding=nearest"
    assert main(["compress", str(official_bundles["v2"]), "-o", str(target), "--steps", steps, "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["steps"] == ["quantize:precision=fp16", "quantize:precision=int4,rounding=nearest"]
    bundle = unpack(target, tmp_path / "small")
    assert bundle.manifest.name == "small"
    assert facts["mb"] < facts["parent_mb"]
    assert list((home / "cache" / "compression").iterdir()) == [], "no intermediate result stays"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--steps", "squash"], "no step 'squash'; there are prune, distill, light-vocoder, quantize"),
        (["--steps", "quantize:bits=4"], "no setting 'bits'; it has size"),
        (["--steps", "quantize:share=2"], "share"),
        (["--steps", "quantize:share"], "not SETTING=VALUE"),
        (["--steps", "quantize:size=1MB,share=0.5"], "give one of size, share and precision"),
        (["--preset", "huge"], "choose from desktop, mobile, smallest"),
        (["--size", "24 turtles"], "size"),
        (["--size", "24MB", "--preset", "mobile"], "give one of"),
    ],
)
def test_mistakes_are_told_in_one_line(
    tmp_path: Path, capfd: Captured, arguments: list[str], reason: str
) -> None:
    assert main(["compress", "sovits-tiny", "-o", str(tmp_path / "out"), *arguments]) == 2
    error = capfd.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_not_empty_is_refused_before_the_work(tmp_path: Path, capfd: Captured) -> None:
    (tmp_path / "note.txt").write_text("mine")
    assert main(["compress", "sovits-tiny", "-o", str(tmp_path)]) == 2
    assert "is not empty" in capfd.readouterr().err
