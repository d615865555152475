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
from timbral.cli.texts import read_text
from timbral.errors import TextError
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
    assert run.stdout[4:8] == b"\xff" * 4
    assert len(samples) / rate == pytest.approx(json.loads(run.stderr)["audio_s"], abs=1e-3)
    assert list(tmp_path.iterdir()) == []


def test_sound_on_stdout_comes_while_it_is_made(tmp_path: Path) -> None:
    text = "This is a sentence of a long text. " * 100
    arguments = ["say", text, "-o", "-", "--raw"]
    with subprocess.Popen([*TIMBRAL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout
        samples = np.frombuffer(run.stdout.read(24_000), "<i2")
        run.kill()
    assert len(samples) == 12_000
    assert np.abs(samples).max() > 1000


def test_texts_in_usual_encodings_are_read(tmp_path: Path, capfd: Captured) -> None:
    text = "你好，世界。今天天气很好！\r\n我们去公园，买三个苹果。"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "gbk", "gb18030"):
        (tmp_path / "text.txt").write_bytes(text.encode(encoding))
        assert read_text(None, tmp_path / "text.txt", None) == text
    (tmp_path / "text.txt").write_bytes("もしもし".encode("shift-jis"))
    assert read_text(None, tmp_path / "text.txt", "shift-jis") == "もしもし"
    for encoding, words in (("latin-1", "Das war schön, größer für Jürgen."), ("koi8-r", "Привет, мир")):
        (tmp_path / "text.txt").write_bytes(words.encode(encoding))
        with pytest.raises(TextError, match="UTF-8"):
            read_text(None, tmp_path / "text.txt", None)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no /dev/stdin")
def test_a_pipe_that_the_shell_opened_is_a_file(tmp_path: Path) -> None:
    run = subprocess.run(
        [*TIMBRAL, "say", "-f", "/dev/stdin"], input=b"Hi.", capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert soundfile.info(str(tmp_path / "out.wav")).duration > 0.3


def test_without_a_voice_the_default_one_speaks(capfd: Captured) -> None:
    assert main(["say", "Hi.", "-v"]) == 0
    assert "sovits-tiny" in capfd.readouterr().out
    assert np.abs(soundfile.read("out.wav")[0]).max() > 0.05


def test_a_voice_is_not_replaced_without_a_word_and_can_be_restored(capfd: Captured) -> None:
    assert main(["clone", ENGLISH, "--name", "me", "--consent", "Ann"]) == 0
    assert main(["clone", CHINESE, "--name", "me"]) == 2
    assert "--force" in capfd.readouterr().err
    assert main(["clone", CHINESE, "--name", "me", "--force"]) == 0
    assert voice_store.load("me").consent is None
    assert main(["voices", "rename", "me", "you"]) == 0
    assert main(["voices", "restore", "me"]) == 0
    assert voice_store.load("me").consent is not None
    assert main(["voices", "copy", "me", "you"]) == 2
    assert main(["voices", "copy", "me", "they"]) == 0
    assert main(["voices", "export", "they"]) == 0
    assert main(["voices", "import", "they.voice", "--name", "back again"]) == 0
    assert voice_store.names() == ["back again", "me", "they", "you"]
    assert main(["voices", "remove", "back again"]) == 0
    assert "restore 'back again'`" in capfd.readouterr().out


def test_defaults_come_from_the_settings_file(home: Path, capfd: Captured) -> None:
    home.mkdir()
    settings = home / "config.toml"
    settings.write_text('rate = 48000\n[say]\nseed = 7\nrepetition-penalty = 1.2\noutput = "a.flac"\n')
    assert main(["say", "Hi."]) == 0
    assert "a.flac" in (out := capfd.readouterr().out)
    assert "seed 7" in out
    assert soundfile.info("a.flac").samplerate == 48_000
    assert main(["say", "Hi.", "--seed", "8", "-o", "b.wav"]) == 0
    assert "seed 8" in capfd.readouterr().out
    for content, reason in (
        ("[say]\nvoise = 1", "say.voise is unknown"),
        ("sing = 1", "sing is unknown"),
        ("seed =", "not TOML"),
        ("[say]\nseed = 'x'", "seed"),
    ):
        settings.write_text(content)
        assert main(["say", "Hi."]) == 2
        assert reason in capfd.readouterr().err


def test_shells_complete_commands_options_and_voices(home: Path) -> None:
    def completed(line: str) -> str:
        variables = {
            "_TIMBRAL_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
        }
        run = subprocess.run(TIMBRAL, env={**os.environ, **variables}, capture_output=True, check=False)
        return run.stdout.decode()

    assert "clone" in completed("timbral cl")
    assert "--voice" in completed("timbral say --vo")
    assert "default" in completed("timbral say --voice de")


@pytest.mark.parametrize(
    "command", [["voices"], ["say", "Hi.", "--voice", "me"], ["clone", ENGLISH, "--name", "me"]]
)
def test_a_home_that_cannot_be_used_is_named(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Captured
) -> None:
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("TIMBRAL_HOME", str(tmp_path / "home"))
    assert main(command) != 0
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "TIMBRAL_HOME" in err


def test_what_files_say_of_themselves_is_printed_and_not_obeyed(capfd: Captured) -> None:
    voice = dataclasses.replace(voice_store.load("default"), prompt_text="\x1b[2Jgone \u202emirrored")
    voice_store.save(voice, "evil")
    assert main(["voices", "show", "evil"]) == 0
    out = capfd.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "gone" in out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has Unicode names only")
def test_names_that_are_not_unicode_are_names(tmp_path: Path, capfd: Captured) -> None:
    name = os.fsdecode(b"caf\xe9.flac")
    (tmp_path / name).write_bytes(Path(ENGLISH).read_bytes())
    assert main(["clone", name, "--name", "me"]) == 0
    assert voice_store.load("me").sources == ("caf?.flac",)
    assert main(["say", "Hi.", "--voice", name, "-o", os.fsdecode(b"\xe9.wav"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["output"]


def test_playing_needs_a_loudspeaker_or_plays(capfd: Captured) -> None:
    pytest.importorskip("miniaudio")
    code = main(["say", "Hi.", "--play"])
    out, err = capfd.readouterr()
    assert (code, out[:7]) == (0, "played:") or (code, err.count("\n"), "no loudspeaker" in err) == (
        2,
        1,
        True,
    )
    assert not Path("out.wav").exists()


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
    rows = capfd.readouterr().out.splitlines()
    assert rows[0].split("  ") == ["old friend", "sovits-tiny", "cloned", "0.04 MB", "consent of Ann"]
    assert rows[1].startswith("default     sovits-tiny  cloned")
    assert main(["voices", "--json"]) == 0
    listed = json.loads(capfd.readouterr().out)
    assert listed["voices"] == ["old friend"]
    assert listed["details"]["default"]["fine_tuned"] is False
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
    soundfile.write(folder / "nan.wav", np.append(speech, np.nan), rate, "FLOAT")
    (folder / "corrupt.flac").write_bytes(Path(ENGLISH).read_bytes()[:2000])
    (folder / "not.mp3").write_bytes(rng.bytes(50_000))
    (folder / "not.wav").write_text("this is not a sound")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "bad.voice").write_bytes(b"\x80\x04pickle")
    manifest = read_bundle(embedded_path(), verify=False).manifest
    dataclasses.replace(Voice.neutral(manifest), family="another").save(folder / "other.voice")
    huge = np.full_like(Voice.neutral(manifest).timbre, 1e38)
    dataclasses.replace(Voice.neutral(manifest), timbre=huge).save(folder / "huge.voice")
    for name in ("pipe.wav", "pipe.voice", "pipe.txt"):
        os.mkfifo(folder / name)
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
    ([*SAY, "--voice", ENGLISH, "--lang", "klingon"], "klingon"),
    ([*SAY, "--voice", ENGLISH, "--lang", "yue"], "does not speak yue"),
    ([*SAY, "--voice", "silent.wav"], "silent"),
    ([*SAY, "--voice", "short.wav"], "only 1.0 s"),
    ([*SAY, "--voice", "nan.wav"], "not numbers"),
    ([*SAY, "--raw", "--voice", ENGLISH], "-o -"),
    ([*SAY, "--voice", "pipe.wav"], "pipe or a device"),
    ([*SAY, "--voice", "pipe.voice"], "pipe or a device"),
    ([*SAY, "--voice", ENGLISH, "-o", "pipe.wav"], "pipe or a device"),
    (["say", "-f", "pipe.txt", "--voice", ENGLISH], "pipe or a device"),
    (["say", "-f", "latin.txt", "--encoding", "klingon"], "encoding 'klingon' is unknown"),
    (["say", "-f", "latin.txt", "--encoding", "utf-32-le"], "not a text in UTF-32-LE"),
    ([*SAY, "--model", "v2Pro"], "timbral pull v2Pro"),
    ([*SAY, "--ref-text", "Hello."], "--ref-text"),
    ([*SAY, "--voice", "huge.voice"], "out of range"),
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
    ([*SAY, "--voice", "other.voice"], "no model here fits it"),
    ([*SAY, "--voice", ENGLISH, "-o", "out.txt"], "has to end in"),
    ([*SAY, "--voice", ENGLISH, "-o", "nowhere/out.wav"], "no folder"),
    ([*SAY, "--voice", ENGLISH, "--model", "absent"], "no model"),
    ([*SAY, "--voice", ENGLISH, "--model", "model"], "bundle.json"),
    ([*SAY, "--voice", ENGLISH, "--speed", "0"], "speed"),
    ([*SAY, "--voice", ENGLISH, "--speed", "fast"], "speed"),
    ([*SAY, "--voice", ENGLISH, "--top-p", "2"], "top p"),
    ([*SAY, "--voice", ENGLISH, "--rate", "1"], "rate"),
    ([*SAY, "there", "--voice", ENGLISH], "there"),
    ([*SAY, "--voise", ENGLISH], "--voise.*--help"),
    (["clone", ENGLISH], "--name"),
    (["clone", "--name", "me"], "recordings"),
    (["clone", ENGLISH, "--name", "../me"], "cannot name"),
    (["clone", ENGLISH, "--name", "CON"], "Windows keeps it for a device"),
    (["voices", "rename", "default", "me"], "comes with timbral"),
    (["voices", "restore", "me"], "no removed voice"),
    (["voices", "import", ENGLISH], "not a voice file"),
    (["voices", "export", "default", "-o", "other.voice"], "--force"),
    (["voices", "export", "default", "-o", "me.wav"], "has to end in"),
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
    assert main(["say", "Hi.", "--voice", "long.wav", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["notes"][0].startswith("long.wav: ")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for one process")
@pytest.mark.parametrize(
    ("name", "code", "word"),
    [("SIGINT", 130, b"interrupted"), ("SIGTERM", 143, b"terminated"), ("SIGHUP", 143, b"terminated")],
)
def test_a_signal_leaves_nothing_half_written(tmp_path: Path, name: str, code: int, word: bytes) -> None:
    if signal.getsignal(signal.Signals[name]) == signal.SIG_IGN:
        pytest.skip("whoever started the tests ignores it, as nohup does")
    text = "This is a sentence of a long text. " * 200
    run = subprocess.Popen(
        [*TIMBRAL, "say", text, "--voice", ENGLISH, "-o", "out.wav"], stderr=subprocess.PIPE
    )
    while not list(tmp_path.glob(".out.wav.*.part")) and run.poll() is None:
        time.sleep(0.05)
    time.sleep(0.3)
    run.send_signal(signal.Signals[name])
    _, err = run.communicate(timeout=60)
    assert run.returncode == code
    assert err.splitlines()[-1] == b"timbral: " + word
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run([*TIMBRAL, "say", "Hello.", "-o", "-"], stdout=full, stderr=subprocess.PIPE)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith(b"timbral: stdout: cannot be written")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_long_text_is_resumed(tmp_path: Path, home: Path, number: signal.Signals) -> None:
    text = " ".join(f"This is sentence number {count} of a long text.\n" for count in range(40))
    (tmp_path / "text.txt").write_text(text)
    arguments = [
        *TIMBRAL,
        "say",
        "-f",
        "text.txt",
        "--seed",
        "3",
        "--pause",
        "0.1",
        "-o",
        "out.wav",
        "--srt",
        "out.srt",
        "--json",
    ]
    run = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(home.glob("cache/speeches/*.json")) and run.poll() is None:
        time.sleep(0.02)
    time.sleep(0.3)
    run.send_signal(number)
    _, err = run.communicate(timeout=60)
    assert run.returncode != 0
    assert (b"--resume" in err) == (number == signal.SIGINT)
    assert not (tmp_path / "out.wav").exists()
    assert not (tmp_path / "out.srt").exists()
    resumed = subprocess.run([*arguments, "--resume"], capture_output=True, check=True)
    assert b"sentences have been spoken before" in resumed.stderr
    found, subtitles = soundfile.read("out.wav")[0], (tmp_path / "out.srt").read_text()
    whole = subprocess.run(arguments, capture_output=True, check=True)
    assert json.loads(resumed.stdout)["sentences"] < json.loads(whole.stdout)["sentences"]
    assert json.loads(resumed.stdout)["audio_s"] < json.loads(whole.stdout)["audio_s"]
    np.testing.assert_array_equal(found, soundfile.read("out.wav")[0])
    assert_same_subtitles(subtitles, (tmp_path / "out.srt").read_text())
    assert not list(home.glob("cache/speeches/*"))


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo terminals")
def test_progress_is_seen_while_libraries_are_kept_quiet() -> None:
    """On a real terminal: the bar shows, what a C library prints does not, and a note comes after it though all fails."""
    program = (
        "import os, time, warnings\n"
        "from timbral.cli import terminal\n"
        "from timbral.errors import TimbralWarning\n"
        "with terminal.prepared(), terminal.progress('starting') as bar, terminal.quiet_libraries():\n"
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


def assert_same_subtitles(first: str, second: str) -> None:
    """The same texts at the same times, to the millisecond that is rounded."""
    time = re.compile(r"\d\d:(\d\d):(\d\d),(\d{3})")
    assert time.sub("", first) == time.sub("", second)
    times = [
        [
            60 * int(minutes) + int(seconds) + int(thousandths) / 1000
            for minutes, seconds, thousandths in time.findall(one)
        ]
        for one in (first, second)
    ]
    assert len(times[0]) > 40
    assert times[0] == pytest.approx(times[1], abs=0.0015)


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("out.txt", "has to end in .srt or .vtt"),
        ("missing/out.srt", "there is no folder"),
        ("folder.srt", "a folder"),
    ],
)
def test_subtitles_that_cannot_be_written_are_said_before_the_work(
    tmp_path: Path, name: str, mistake: str, capfd: Captured
) -> None:
    (tmp_path / "folder.srt").mkdir()
    assert main(["say", "Hello.", "--srt", name]) == 2
    assert mistake in capfd.readouterr().err
    assert not (tmp_path / "out.wav").exists()


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
