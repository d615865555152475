"""Suites from files: what is read, and what a mistake in them says."""

import shutil
from pathlib import Path

import pytest

from tests.helpers.paths import DATA
from timbral.errors import DataError
from timbral.evaluation import load_suite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("english", "chinese"):
        shutil.copy(DATA / f"{name}.flac", tmp_path)
    (tmp_path / "en.txt").write_text("One.\n\nTwo.\nThree.\n", encoding="utf-8")
    (tmp_path / "zh.txt").write_text("\ufeff一。\n二。\n", encoding="utf-8")
    return tmp_path


def test_the_builtin_suite_is_small_and_whole() -> None:
    suite = load_suite()
    assert {case.language for case in suite.cases} == {"zh", "en", "ja"}
    assert len(suite.voices) == 4
    assert len(suite.cases) <= 12
    assert all(len(sound.samples) for sound in suite.prompts.values())
    assert suite.digest == load_suite("builtin").digest


def test_recordings_without_a_table_speak_all_texts(folder: Path) -> None:
    suite = load_suite(folder)
    spoken = [(case.voice.name, case.language, case.text) for case in suite.cases]
    assert spoken == [
        ("chinese", "zh", "一。"),
        ("chinese", "zh", "二。"),
        ("chinese", "en", "One."),
        ("chinese", "en", "Two."),
        ("english", "zh", "一。"),
        ("english", "zh", "二。"),
        ("english", "en", "Three."),
        ("english", "en", "One."),
    ]
    assert len(load_suite(folder, sentences=1).cases) == 4


def test_a_table_says_who_speaks_what(folder: Path) -> None:
    rows = [
        "id\tlanguage\ttranscript\tspeaks\trecording",
        "english\ten\tWell.\ten zh\t",
        "b\tzh\t\t\tchinese.flac",
    ]
    (folder / "prompts.tsv").write_text("\n".join(rows), encoding="utf-8")
    suite = load_suite(folder, sentences=1)
    assert [(case.id, case.text) for case in suite.cases] == [
        ("english-en-1", "One."),
        ("english-zh-1", "一。"),
        ("b-zh-1", "二。"),
    ]
    assert suite.voices["english"].transcript == "Well."
    assert suite.voices["b"].recording == folder / "chinese.flac"


def test_seed_tts_eval(folder: Path) -> None:
    for language, text in (("en", "Good morning to you all."), ("zh", "大家早上好。")):
        (folder / language / "prompt-wavs").mkdir(parents=True)
        shutil.copy(DATA / "english.flac", folder / language / "prompt-wavs" / "a.flac")
        lines = [f"u1|Well.|prompt-wavs/a.flac|{text}", f"u1|Well.|prompt-wavs/a.flac|{text}|wavs/u2.wav"]
        (folder / language / "meta.lst").write_text("\n".join(lines) + "\n", encoding="utf-8")
    both = load_suite(folder)
    assert [(case.id, case.language) for case in both.cases] == [
        ("en-u1", "en"),
        ("en-u1_2", "en"),
        ("zh-u1", "zh"),
        ("zh-u1_2", "zh"),
    ]
    assert len(both.voices) == 2
    alone = load_suite(folder / "zh" / "meta.lst")
    assert [case.text for case in alone.cases] == ["大家早上好。"] * 2
    assert load_suite(folder / "zh").digest == alone.digest


def test_the_language_of_a_list_elsewhere_is_that_of_its_texts(folder: Path) -> None:
    lines = ["a|Well.|english.flac|大家早上好。", "b|Well.|english.flac|Good morning."]
    (folder / "meta.lst").write_text("\n".join(lines), encoding="utf-8")
    assert [case.language for case in load_suite(folder).cases] == ["zh", "en"]


def test_a_few_cases_stand_for_all(folder: Path) -> None:
    suite = load_suite().first(3)
    assert {case.language for case in suite.cases} == {"zh", "en", "ja"}
    assert len(load_suite().first(1000).cases) == len(load_suite().cases)
    assert {case.language for case in load_suite().spoken_in(["ja"]).cases} == {"ja"}
    with pytest.raises(DataError, match="no case"):
        load_suite().spoken_in(["ko"])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no texts"),
        ({"en.txt": "Hello."}, "no recordings"),
        ({"en.txt": b"\xff\xfe\xfa"}, "UTF-8"),
        ({"en.txt": "Hello.", "prompts.tsv": "name\nx\n"}, "no column id"),
        ({"en.txt": "Hello.", "prompts.tsv": "id\tlanguage\nx\ten\n"}, "line 2: there is no recording x"),
        ({"en.txt": "Hello.", "prompts.tsv": "id\tspeaks\nx\tfr\n"}, "'fr' is unknown"),
        ({"meta.lst": ""}, "empty"),
        ({"meta.lst": "a|b|c\n"}, "line 1: not utt"),
        ({"meta.lst": "a|b|c.wav|Hello.\n"}, "no recording c.wav"),
    ],
)
def test_mistakes(files: dict[str, str | bytes], message: str, tmp_path: Path) -> None:
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        load_suite(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no suite is there"):
        load_suite(tmp_path / "nowhere")
