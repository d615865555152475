"""The command line as a user meets it: output, exit codes, one line a mistake, nothing half-written."""

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.helpers.paths import DATA
from timbral import Voice, __version__
from timbral.cli import main
from timbral.models import embedded_path, read_bundle
from timbral.voices import store as voice_store

ENGLISH, CHINESE = str(DATA / "english.flac"), str(DATA / "chinese.flac")
TIMBRAL = [sys.executable, "-m", "timbral"]

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_say_writes_a_file_and_says_what_it_took(tmp_path: Path, capfd: Captured) -> None:
    code = main(["say", "Hello there, 你好.", "--voice", ENGLISH, "-o", "demo.wav", "--seed", "5"])
    out, err = capfd.readouterr()
    assert code == 0, err
    samples, rate = soundfile.read("demo.wav")
    assert rate == 24_000
    assert 0.5 < len(samples) / rate < 6
    for word in ("demo.wav", "RTF", "seed 5", "text", "semantic", "acoustic"):
        assert word in out
    assert err == ""
    assert [p.name for p in tmp_path.iterdir()] == ["demo.wav"]


def test_json_is_one_line_with_timings_and_seed(capfd: Captured) -> None:
    assert main(["say", "Hello there.", "--voice", ENGLISH, "--json"]) == 0
    out = capfd.readouterr().out
    assert out.count("\n") == 1
    values = json.loads(out)
    for name in (
        "load_s",
        "voice_s",
        "text_s",
        "prefill_s",
        "decode_s",
        "acoustic_s",
        "total_s",
        "first_s",
        "rtf",
    ):
        assert values[name] >= 0
    assert (
        main(["say", "Hello there.", "--voice", ENGLISH, "-o", "again.wav", "--seed", str(values["seed"])])
        == 0
    )
    np.testing.assert_array_equal(soundfile.read("out.wav")[0], soundfile.read("again.wav")[0])


def test_sound_on_stdout_is_a_whole_wav_and_nothing_else(tmp_path: Path) -> None:
    arguments = ["say", "-", "--voice", ENGLISH, "-o", "-", "--json", "--seed", "1"]
    run = subprocess.run(
        [*TIMBRAL, *arguments], input="你好，世界。".encode(), capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr
    samples, rate = soundfile.read(io.BytesIO(run.stdout))
    assert int.from_bytes(run.stdout[4:8], "little") == len(run.stdout) - 8
    assert len(samples) / rate == pytest.approx(json.loads(run.stderr)["audio_s"], abs=1e-3)
    assert list(tmp_path.iterdir()) == []


def test_text_from_a_file_and_other_formats(tmp_path: Path, capfd: Captured) -> None:
    (tmp_path / "text.txt").write_bytes("\ufeff今天天气很好。\r\n\r\nWe go out.\r\n".encode())
    for ending in ("flac", "ogg", "mp3"):
        arguments = [
            "say",
            "-f",
            "text.txt",
            "--voice",
            CHINESE,
            "-o",
            f"a.{ending}",
            "--rate",
            "48000",
            "--seed",
            "1",
        ]
        assert main(arguments) == 0, capfd.readouterr().err
        assert soundfile.info(f"a.{ending}").samplerate == 48_000
        assert 1.5 < soundfile.info(f"a.{ending}").duration < 8


def test_a_voice_is_cloned_used_shown_and_removed(capfd: Captured) -> None:
    text = "Well, what can't be done by main courage and war must be done by circumvention."
    clone = [
        "clone",
        ENGLISH,
        CHINESE,
        "--name",
        "old friend",
        "--text",
        text,
        "--lang",
        "en",
        "--consent",
        "Ann",
    ]
    assert main(clone) == 0, capfd.readouterr().err
    assert main(["say", "Hello again.", "--voice", "old friend"]) == 0
    capfd.readouterr()
    assert main(["voices"]) == 0
    assert capfd.readouterr().out == "old friend\n"
    assert main(["voices", "show", "old friend", "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert shown["recordings"] == ["english.flac", "chinese.flac"]
    assert shown["prompt"] == text
    assert shown["consent"].startswith("Ann, ")
    assert main(["voices", "show", "old friend"]) == 0
    path = shown["path"]
    assert main(["say", "Hello by file.", "--voice", path]) == 0
    assert main(["voices", "remove", "old friend"]) == 0
    assert voice_store.names() == []
    assert not Path(path).exists()


def test_models_and_doctor(capfd: Captured) -> None:
    assert main(["models"]) == 0
    line = capfd.readouterr().out
    assert "sovits-tiny" in line
    assert "zh en" in line
    assert main(["models", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["models"][0]["languages"][:2] == ["zh", "en"]
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["trials"][0]["works"] is True
    assert main(["doctor"]) == 0
    assert "sovits-tiny on cpu: works" in capfd.readouterr().out


def test_help_everywhere(capfd: Captured) -> None:
    commands = [
        [],
        ["say"],
        ["clone"],
        ["voices"],
        ["voices", "show"],
        ["voices", "remove"],
        ["models"],
        ["import"],
        ["pull"],
        ["doctor"],
    ]
    for command in commands:
        assert main([*command, "--help"]) == 0
        out, err = capfd.readouterr()
        assert out.startswith("Usage: timbral")
        assert err == ""
    assert main([]) == 0
    assert "Commands:" in capfd.readouterr().out
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"{__version__}\n"


def files(folder: Path) -> None:
    """What the mistakes below are made with."""
    rng = np.random.default_rng(0)
    speech, rate = soundfile.read(ENGLISH)
    soundfile.write(folder / "silent.wav", np.zeros(5 * 16_000), 16_000)
    soundfile.write(folder / "short.wav", speech[:rate], rate)
    soundfile.write(folder / "long.wav", np.tile(speech, 8), rate)
    soundfile.write(folder / "nan.wav", np.append(speech, np.nan), rate, "FLOAT")
    (folder / "corrupt.flac").write_bytes(Path(ENGLISH).read_bytes()[:2000])
    (folder / "not.mp3").write_bytes(rng.bytes(50_000))
    (folder / "not.wav").write_text("this is not a sound")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "bad.voice").write_bytes(b"\x80\x04pickle")
    manifest = read_bundle(embedded_path(), verify=False).manifest
    dataclasses.replace(Voice.neutral(manifest), family="another").save(folder / "other.voice")
    (folder / "latin.txt").write_bytes("naïve café".encode("latin-1"))
    (folder / "empty.txt").write_bytes(b"")
    (folder / "model").mkdir()
    (folder / "model" / "bundle.json").write_text('{"format": 1}')


SAY = ["say", "Hello there."]
MISTAKES = [
    (["say", "", "--voice", ENGLISH], "empty"),
    (["say", "...", "--voice", ENGLISH], "nothing to speak"),
    (["say", "🙂", "--voice", ENGLISH], "nothing to speak"),
    (["say", "--voice", ENGLISH], "give the text"),
    (["say", "Hello", "-f", "empty.txt", "--voice", ENGLISH], "one of them"),
    (["say", "-f", "empty.txt", "--voice", ENGLISH], "empty"),
    (["say", "-f", "latin.txt", "--voice", ENGLISH], "UTF-8"),
    (["say", "-f", "absent.txt", "--voice", ENGLISH], "absent.txt"),
    ([*SAY], "--voice"),
    ([*SAY, "--voice", ENGLISH, "--lang", "klingon"], "klingon"),
    ([*SAY, "--voice", ENGLISH, "--lang", "yue"], "does not speak yue"),
    ([*SAY, "--voice", "silent.wav"], "silent"),
    ([*SAY, "--voice", "short.wav"], "only 1.0 s"),
    ([*SAY, "--voice", "nan.wav"], "not numbers"),
    ([*SAY, "--voice", "long.wav"], "too long"),
    ([*SAY, "--voice", "corrupt.flac"], "corrupt.flac"),
    ([*SAY, "--voice", "not.mp3"], "not.mp3"),
    ([*SAY, "--voice", "not.wav"], "not a sound file"),
    ([*SAY, "--voice", "empty.wav"], "empty"),
    ([*SAY, "--voice", "absent.wav"], "no such file"),
    ([*SAY, "--voice", "nobody"], "no voice named 'nobody'"),
    ([*SAY, "--voice", "../nobody"], "nobody"),
    ([*SAY, "--voice", ""], "empty"),
    ([*SAY, "--voice", "bad.voice"], "bad.voice"),
    ([*SAY, "--voice", "absent.voice"], "absent.voice"),
    ([*SAY, "--voice", "other.voice"], "was made for another"),
    ([*SAY, "--voice", ENGLISH, "-o", "out.txt"], "has to end in"),
    ([*SAY, "--voice", ENGLISH, "-o", "nowhere/out.wav"], "no folder"),
    ([*SAY, "--voice", ENGLISH, "--model", "absent"], "no model"),
    ([*SAY, "--voice", ENGLISH, "--model", "model"], "bundle.json"),
    ([*SAY, "--voice", ENGLISH, "--speed", "0"], "speed"),
    ([*SAY, "--voice", ENGLISH, "--speed", "fast"], "speed"),
    ([*SAY, "--voice", ENGLISH, "--top-p", "2"], "top-p"),
    ([*SAY, "--voice", ENGLISH, "--rate", "1"], "rate"),
    ([*SAY, "there", "--voice", ENGLISH], "there"),
    ([*SAY, "--voise", ENGLISH], "--voise.*--help"),
    (["clone", ENGLISH], "--name"),
    (["clone", "--name", "me"], "recordings"),
    (["clone", ENGLISH, "--name", "../me"], "cannot name"),
    (["clone", ENGLISH, "absent.wav", "--name", "me"], "no such file"),
    (["clone", ENGLISH, "--name", "me", "--lang", "klingon"], "klingon"),
    (["clone", ENGLISH, "--name", "me", "--text", "?"], "nothing to speak"),
    (["clone", ENGLISH, "--name", "me", "--consent", ""], "consent"),
    (["voices", "show", "nobody"], "nobody"),
    (["voices", "remove", "nobody"], "nobody"),
    (["voices", "sing"], "sing"),
    (["sing"], "sing"),
]


@pytest.mark.parametrize(("arguments", "reason"), MISTAKES, ids=lambda value: None)
def test_a_mistake_is_one_line_and_leaves_nothing(
    arguments: list[str], reason: str, tmp_path: Path, home: Path, capfd: Captured
) -> None:
    files(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("timbral: ")
    assert re.search(reason, err, re.IGNORECASE), err
    assert sorted(tmp_path.rglob("*")) == before
    assert not home.exists()


def test_debug_shows_where_it_came_from(capfd: Captured) -> None:
    for arguments in (["--debug", "voices", "show", "nobody"], ["voices", "show", "nobody", "--debug"]):
        assert main(arguments) == 2
        err = capfd.readouterr().err
        assert "Traceback" in err
        assert err.splitlines()[-1].startswith("timbral: ")


def test_notes_on_a_recording_are_shown(tmp_path: Path, capfd: Captured) -> None:
    speech, rate = soundfile.read(ENGLISH)
    soundfile.write(tmp_path / "long.wav", np.concatenate([speech, np.zeros(8000), speech, speech]), rate)
    assert main(["clone", "long.wav", "--name", "me"]) == 0
    err = capfd.readouterr().err
    assert err.startswith("note: long.wav: ")
    assert err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_interrupt_leaves_nothing_half_written(tmp_path: Path) -> None:
    text = "This is a sentence of a long text. " * 200
    run = subprocess.Popen(
        [*TIMBRAL, "say", text, "--voice", ENGLISH, "-o", "out.wav"], stderr=subprocess.PIPE
    )
    while not list(tmp_path.glob(".out.wav.*.part")) and run.poll() is None:
        time.sleep(0.05)
    time.sleep(0.3)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert err == b"timbral: interrupted\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo terminals")
def test_progress_is_seen_while_libraries_are_kept_quiet() -> None:
    """On a real terminal: the bar shows, what a C library prints does not, and a note comes after it though all fails."""
    program = (
        "import os, time, warnings\n"
        "from timbral.cli import terminal\n"
        "from timbral.errors import TimbralWarning\n"
        "terminal.prepare()\n"
        "with terminal.progress('starting') as bar, terminal.quiet_libraries():\n"
        "    bar.begin('listening closely')\n"
        "    os.write(2, b'chatter')\n"
        "    warnings.warn('worth knowing', TimbralWarning)\n"
        "    time.sleep(0.5)\n"
        "    raise SystemExit(3)\n"
    )
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program], stderr=theirs, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(ours)
    assert process.wait() == 3
    assert b"listening closely" in seen
    assert b"chatter" not in seen
    assert b"note: worth knowing" in seen


def test_read_shows_how_a_text_is_read(tmp_path: Path, capfd: Captured) -> None:
    lexicon = tmp_path / "words.tsv"
    lexicon.write_text("Kvothe\ten\tK W OW1 TH\n", "utf-8")
    assert main(["read", "8岁。Kvothe left.[pause 1s] Привет, bye", "--lexicon", str(lexicon)]) == 0
    shown = capfd.readouterr()
    assert shown.out.splitlines() == [
        "zh   八岁.",
        "     ba1 sui4 .",
        "en   Kvothe left.",
        "     K W OW1 TH L EH1 F T .",
        "--   pause of 1 s",
        "en   bye.",
        "     . B AY1 .",
    ]
    assert "note: left out 'Привет'" in shown.err
    assert main(["read", "--json", "--lang", "en", "7"]) == 0
    (utterance,) = json.loads(capfd.readouterr().out)["utterances"]
    assert utterance["segments"][0]["phones"] == ["S", "EH1", "V", "AH0", "N", "."]
    assert main(["read", "…"]) == 2
    assert "nothing to speak" in capfd.readouterr().err
