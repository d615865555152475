"""Lists: those of existing users are read as they are, and what is written is whole and read back."""

import os
from pathlib import Path

import pytest

from tests.helpers.data_sounds import speech, write
from timbral.data import Dropped, Line, find_list, read_list, write_list
from timbral.data.listing import read_dropped, write_dropped
from timbral.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wavs").mkdir()
    for name in ("a.wav", "b.wav", "说话.wav"):
        write(tmp_path / "wavs" / name, speech("english")[:8000])
    return tmp_path


def test_paths_are_found_wherever_the_folder_is_now(folder: Path) -> None:
    rows = [
        f"{folder}/wavs/a.wav|me|EN|As it is.",
        "wavs/b.wav|me|JP|むかし",
        "D:\\GPT-SoVITS\\output\\slicer_opt\\a.wav|me|zh|搬家了",
        "/root/autodl-tmp/说话.wav|me|Yue|搬咗屋",
    ]
    path = folder / "me.list"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    listing = read_list(path)
    assert listing.problems == ()
    assert [line.audio.name for line in listing.lines] == ["a.wav", "b.wav", "a.wav", "说话.wav"]
    assert [line.language for line in listing.lines] == ["en", "ja", "zh", "yue"]
    assert listing.lines[3].text == "搬咗屋"
    assert all(line.audio.is_file() for line in listing.lines)


def test_bad_lines_are_named_by_number_and_the_others_used(folder: Path) -> None:
    path = folder / "me.list"
    path.write_bytes(
        b"wavs/a.wav|me|EN|good\nwavs/a.wav|me|EN\n\nwavs/none.wav|me|EN|gone\nwavs/a.wav|me|XX|what\n"
        b"wavs/a.wav|me|EN|caf\xe9\nwavs/a.wav|me|EN|a|b\nwavs/b.wav|me|EN|good too\n"
    )
    listing = read_list(path)
    assert [line.text for line in listing.lines] == ["good", "good too"]
    numbers = [problem.split(":")[0] for problem in listing.problems]
    assert numbers == [f"me.list, line {n}" for n in (2, 4, 5, 6, 7)]
    assert "UTF-8" in listing.problems[3]


def test_written_as_the_official_code_reads_it(folder: Path) -> None:
    lines = [
        Line(folder / "wavs/a.wav", "me", "zh", "你好。"),
        Line(folder / "wavs/b.wav", "me", "", ""),
    ]
    path = folder / "me.list"
    write_list(path, lines)
    assert path.read_text(encoding="utf-8") == "wavs/a.wav|me|ZH|你好。\nwavs/b.wav|me||\n"
    assert list(read_list(path).lines) == lines
    dropped = [Dropped(lines[0], "noisy | very")]
    write_dropped(path, dropped)
    assert read_dropped(path) == (Dropped(lines[0], "noisy / very"),)
    assert find_list(folder) == path
    assert sorted(p.name for p in folder.iterdir()) == ["me.dropped.list", "me.list", "wavs"]


def test_a_folder_without_its_one_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="timbral prepare"):
        find_list(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match="a pipe or a device"):
            read_list(tmp_path / "pipe")
    with pytest.raises(DataError, match="cannot be read"):
        read_list(Path("a\0b"))
    with pytest.raises(DataError, match="no such list"):
        read_list(tmp_path / "x.list")
    for name in ("a.list", "b.list"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="2 lists"):
        find_list(tmp_path)
