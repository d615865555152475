"""What is published: the sdist is complete, and the wheel that it builds speaks in an environment of its own."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import soundfile

import timbral

ROOT = Path(__file__).parents[2]
LEFT_OUT = (".github/", ".gitignore", ".pre-commit-config.yaml", ".clang-format")
"""What only the repository needs."""


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> str:
    """Runs a command that has to succeed, and gives its output."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel built from it in isolation."""
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--outdir", folder, ROOT], folder)
    return folder


def test_the_sdist_holds_all_files_of_the_repository(distributions: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone of the repository: nothing to compare with")
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    tracked = run(["git", "ls-files", "-z"], ROOT).split("\0")
    assert {name for name in tracked if name and not name.startswith(LEFT_OUT)} <= held


def test_the_wheel_holds_the_package_and_all_licences(distributions: Path) -> None:
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as archive:
        held = set(archive.namelist())
    assert not [name for name in held if name.endswith((".cpp", ".h"))]
    assert {name.split("/")[0] for name in held} == {"timbral", f"timbral-{timbral.__version__}.dist-info"}
    package = ROOT / "src"
    licences = [path for path in (package / "timbral").rglob("*") if "licen" in path.name.lower()]
    assert licences
    for path in licences:
        name = path.relative_to(ROOT).as_posix()
        assert f"timbral-{timbral.__version__}.dist-info/licenses/{name}" in held


def test_the_wheel_speaks_in_a_fresh_environment(distributions: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    wheel = next(distributions.glob("*.whl"))
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel], tmp_path)
    text = "Hello, world. 你好，世界。"
    recording = ROOT / "examples" / "english.flac"
    home = str(tmp_path / "home")
    run(
        [scripts / "timbral", "say", text, "--voice", recording, "-o", "hello.wav"],
        tmp_path,
        TIMBRAL_HOME=home,
    )
    samples, rate = soundfile.read(tmp_path / "hello.wav")
    assert 1 < len(samples) / rate < 8
    assert abs(samples).max() > 0.05
    absent = run([python, "-c", "import importlib.util as u; print(u.find_spec('torch'))"], tmp_path)
    assert absent.strip() == "None"
    kernels = "from timbral.native.binding import library; print(library() is not None)"
    assert run([python, "-c", kernels], tmp_path).strip() == "True"
