"""Speaking opens no connection and writes nowhere but where it is told to."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers.paths import DATA

RECIPE = Path(__file__).parents[1] / "recipes" / "sovits-tiny"
SPEAK = """
import sys, time, timbral
tts = timbral.load(languages=(), engine=sys.argv[3])
tts.say("Nobody hears of this.", tts.clone(sys.argv[1])).save(sys.argv[2])
time.sleep(1)  # telemetry is sent in the background
"""


def engines() -> list[str]:
    return ["onnxruntime", *(["openvino"] if find_spec("openvino") else [])]


def speak(folder: Path, engine: str, *wrapper: str) -> Path:
    """Clones and speaks in a process whose home is empty; returns that home."""
    home = folder / "home"
    home.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TIMBRAL_HOME": str(folder / "timbral"),
        "TMPDIR": str(folder),
    }
    command = [*wrapper, sys.executable, "-c", SPEAK, str(DATA / "english.flac"), str(folder / "out.wav")]
    command.append(engine)
    subprocess.run(command, env=environment, cwd=folder, check=True, timeout=300)
    assert (folder / "out.wav").stat().st_size > 20_000
    return home


@pytest.mark.parametrize("script", ["synthesize.py", "durations.py"])
def test_recipes_switch_telemetry_off(script: str, tmp_path: Path) -> None:
    """They import onnxruntime themselves, which would write into the home at once."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [sys.executable, "-B", str(RECIPE / script), "--help"]
    subprocess.run(command, env=environment, check=True, timeout=300, stdout=subprocess.DEVNULL)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("engine", engines())
def test_nothing_is_written_into_the_home(engine: str, tmp_path: Path) -> None:
    assert list(speak(tmp_path, engine).rglob("*")) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("engine", engines())
def test_no_connection_is_opened(engine: str, tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    speak(tmp_path, engine, "strace", "-f", "-qq", "-e", "trace=connect,sendto", "-o", str(log))
    calls = log.read_text()
    assert "AF_INET" not in calls
    assert "AF_INET6" not in calls
