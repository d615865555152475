"""The proofreading page, over HTTP from the real server: every change is on the disk, and nobody else may ask."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.helpers.data_sounds import RATE, pause, speech, write
from tests.helpers.paths import DATA
from timbral.cli import main
from timbral.data import Settings, prepare, read_list
from timbral.data.listing import read_dropped
from timbral.data.proofreading.server import serve
from timbral.data.proofreading.session import EditingSession
from timbral.errors import DataError


@dataclass
class Page:
    """A server at work on `path`."""

    path: Path
    base: str
    token: str

    def ask(
        self, path: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        given = {"X-Timbral-Token": self.token, "Content-Type": "application/json"} | (headers or {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def json(self, path: str, method: str = "GET", body: Any = None) -> Any:
        status, answer = self.ask(f"/api/clips{path}", method, body)
        assert status == 200, answer
        return json.loads(answer)

    def rows(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A server for a folder that holds only an official list and its clips."""
    wavs = tmp_path / "slicer_opt"
    wavs.mkdir()
    write(wavs / "a.wav", speech("english"))
    write(wavs / "b.wav", speech("chinese", 44_100), rate=44_100)
    write(wavs / "c.wav", speech("english"), pause(0.5), speech("english"))
    path = tmp_path / "me.list"
    path.write_text(
        "E:\\old\\slicer_opt\\a.wav|me|EN|Well what\nslicer_opt/b.wav|me|ZH|美国\nbroken line\nslicer_opt/c.wav|me|EN|twice\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "timbral", "proofread", str(tmp_path), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        address = server.stdout.readline().strip()
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/\?token=(\S{20,})", address)
        assert found, address
        yield Page(path, found[1], found[2])
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0


def test_texts_are_corrected_and_clips_dropped_and_brought_back(page: Page) -> None:
    before = page.path.read_bytes()
    listed = page.json("")
    assert [(c["number"], c["name"], c["language"]) for c in listed["clips"]] == [
        (1, "a.wav", "en"),
        (2, "b.wav", "zh"),
        (3, "c.wav", "en"),
    ]
    assert listed["problems"] == ["me.list, line 3: 1 fields; path|speaker|language|text are 4"]
    page.json("/1", "PATCH", {"text": "Well, what | can't\nbe done"})
    page.json("/2", "PATCH", {"language": "yue"})
    assert page.rows()[0] == "slicer_opt/a.wav|me|EN|Well, what can't be done"
    assert page.rows()[1] == "slicer_opt/b.wav|me|YUE|美国"
    assert page.path.with_name("me.list.bak").read_bytes() == before
    assert page.json("/2/drop", "POST")["reason"]
    assert [row.split("|")[0] for row in page.rows()] == ["slicer_opt/a.wav", "slicer_opt/c.wav"]
    assert [one.line.audio.name for one in read_dropped(page.path)] == ["b.wav"]
    page.json("/2/restore", "POST")
    assert [row.split("|")[0] for row in page.rows()] == [
        "slicer_opt/a.wav",
        "slicer_opt/b.wav",
        "slicer_opt/c.wav",
    ]
    assert read_dropped(page.path) == ()


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("/3/split", "POST", {"seconds": float("nan"), "before": "", "after": ""}),
        ("/3/split", "POST", {"seconds": float("inf"), "before": "", "after": ""}),
        ("/3/split", "POST", {"seconds": 2.0, "before": "a", "after": "b", "more": float("nan")}),
        ("/1", "PATCH", {"language": "\ud800"}),
        ("/1", "PATCH", {"text": "a \ud800 b"}),
        ("/1", "PATCH", {"text": float("nan")}),
        ("/1", "PATCH", [float("inf")]),
        ("/99999999999999999999999", "PATCH", {"text": "a"}),
        ("/nan/drop", "POST", None),
    ],
)
def test_what_no_page_sends_is_refused(page: Page, path: str, method: str, body: Any) -> None:
    before = page.path.read_bytes()
    status, answer = page.ask(f"/api/clips{path}", method, body)
    assert 400 <= status < 500
    assert json.loads(answer)["problem"]
    assert page.path.read_bytes() == before


def test_neighbours_are_merged_and_clips_split(page: Page) -> None:
    merged = page.json("/1/merge", "POST")
    assert merged["text"] == "Well what 美国"
    lines = read_list(page.path).lines
    assert len(lines) == 2
    samples, rate = soundfile.read(lines[0].audio)
    parts = len(speech("english")) + len(speech("chinese"))
    assert rate == RATE
    assert parts < len(samples) < parts + RATE / 2
    first, second = page.json("/3/split", "POST", {"seconds": 5.2, "before": "once", "after": "again"})
    assert (first["text"], second["text"]) == ("once", "again")
    lines = read_list(page.path).lines
    assert [line.text for line in lines] == ["Well what 美国", "once", "again"]
    whole, _ = soundfile.read(page.path.parent / "slicer_opt/c.wav")
    halves = np.concatenate([soundfile.read(line.audio)[0] for line in lines[1:]])
    assert len(halves) == len(whole)
    assert np.corrcoef(halves, whole)[0, 1] > 0.999
    assert [one.line.audio.name for one in read_dropped(page.path)] == ["a.wav", "b.wav", "c.wav"]


def test_clips_are_heard_and_seen(page: Page) -> None:
    status, sound = page.ask("/api/clips/2/sound")
    assert status == 200
    assert sound[:4] == b"RIFF"
    view = page.json("/2/peaks")
    assert view["seconds"] == pytest.approx(4.4, abs=0.1)
    assert 0.05 < max(view["peaks"]) <= 1
    status, html = page.ask(f"/?token={page.token}", headers={"X-Timbral-Token": ""})
    assert status == 200
    assert b"<textarea" in html or b'createElement("textarea")' in html
    assert b"https://" not in html


def test_nobody_else_may_ask(page: Page) -> None:
    before = page.rows()
    for headers in (
        {"X-Timbral-Token": ""},
        {"X-Timbral-Token": "x" * 32},
        {"Host": "attacker.example:80"},
        {"Host": "127.0.0.1.attacker.example"},
    ):
        for path, method in (
            ("/api/clips", "GET"),
            ("/api/clips/1/drop", "POST"),
            ("/", "GET"),
            ("/docs", "GET"),
        ):
            assert page.ask(path, method, headers=headers)[0] == 403
    assert page.ask(f"/api/clips?token={page.token}", headers={"X-Timbral-Token": ""})[0] == 403
    assert page.rows() == before


def test_mistakes_change_nothing(page: Page) -> None:
    before = page.rows()
    for path, method, body in (
        ("/99/drop", "POST", None),
        ("/1", "PATCH", {"language": "fr"}),
        ("/1", "PATCH", {"text": "a", "path": "/etc/passwd"}),
        ("/3/merge", "POST", None),
        ("/1/split", "POST", {"seconds": 99, "before": "", "after": ""}),
        ("/1/split", "POST", {"seconds": "NaN", "before": "", "after": ""}),
        ("/..%2f..%2fetc%2fpasswd/sound", "GET", None),
    ):
        assert page.ask(f"/api/clips{path}", method, body)[0] in (400, 404, 422)
    assert page.rows() == before
    assert not page.path.with_name("me.list.bak").exists()


def test_a_folder_without_a_list_is_a_mistake(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["proofread", str(tmp_path), "--no-browser"]) == 2
    assert "timbral prepare" in capfd.readouterr().err


def test_meanwhile_nobody_else_changes_the_set(page: Page) -> None:
    with pytest.raises(DataError, match="proofread"):
        prepare([DATA / "english.flac"], page.path.parent, Settings(transcriber="none"))
    with pytest.raises(DataError, match="proofread"):
        serve(page.path)


def test_each_session_keeps_the_list_that_it_found(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", speech("english"))
    path = tmp_path / "me.list"
    path.write_text("a.wav|me|EN|first\n", encoding="utf-8")
    for text in ("second", "third"):
        EditingSession(path).edit(1, text)
    kept = [path.with_name(f"me.list.bak{number}").read_text(encoding="utf-8") for number in ("", "2")]
    assert [row.rpartition("|")[2] for row in kept] == ["first\n", "second\n"]
