"""The folder of a new model: whole or not there, and what killed imports left behind is removed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from timbral.conversion.output_folder import new_folder
from timbral.errors import BundleError

KILLED = """
import os, signal, sys
from pathlib import Path
from timbral.conversion.output_folder import new_folder
with new_folder(Path(sys.argv[1])) as folder:
    (folder / "semantic.weights").write_bytes(bytes(100))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_what_a_killed_import_left_is_removed_by_the_next(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "first")], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert (left / "semantic.weights").exists()
    with new_folder(tmp_path / "second") as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert [path.name for path in tmp_path.iterdir()] == ["second"]
    assert list((tmp_path / "second").iterdir()) == []


def test_what_is_being_imported_stays(tmp_path: Path) -> None:
    (tmp_path / ".hidden.part").mkdir()
    with new_folder(tmp_path / "first") as first:
        with new_folder(tmp_path / "second"):
            assert first.is_dir()
        (first / "a").write_text("a")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden.part", "first", "second"]


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    targets = [tmp_path / "file" / "new", tmp_path / "a\0b", tmp_path / ("x" * 5_000)]
    if sys.platform == "linux":
        targets.append(Path("/proc/new"))
    if hasattr(os, "geteuid") and os.geteuid():
        (tmp_path / "sealed").mkdir(mode=0o500)
        targets.append(tmp_path / "sealed" / "new")
    for target in targets:
        with pytest.raises(BundleError, match="cannot be written") as error, new_folder(target):
            raise AssertionError("there is no folder to fill")
        assert "\n" not in str(error.value)
