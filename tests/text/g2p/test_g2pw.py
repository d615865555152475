"""Readings by a G2PW model: a small graph of its interface that decides by the next character."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray
from pypinyin import Style, lazy_pinyin

from tests.helpers.g2pw_model import CHARACTERS, write_model
from tests.helpers.paths import DATA
from timbral.errors import BundleError
from timbral.inference.g2pw import open_g2pw
from timbral.inference.sessions import Graph, SessionOptions
from timbral.text.g2p.chinese import pronounce
from timbral.text.g2p.chinese.g2pw import G2PW, INPUTS, OUTPUT, G2PWTables
from timbral.text.g2p.chinese.taiwanese import to_taiwanese
from timbral.text.word_pieces import WordPieces

CPU = SessionOptions(device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("g2pw")
    write_model(path)
    return path


@pytest.fixture(scope="module")
def reader(folder: Path) -> G2PW:
    return open_g2pw(folder, folder / "vocab.txt", CPU)


@pytest.mark.parametrize(
    ("clause", "spoken"),
    [
        ("长江", "chang2 jiang1"),
        ("长大", "zhang3 da4"),
        ("行走，行员长", "xing2 zou3 ， hang2 yuan2 chang2"),
        ("行大人", "hang2 da4 ren2"),  # what is heard is no reading of this character
        ("着你", "zhuo2 ni3"),  # 着 is 著 in the tables
        (
            "不一期似",
            "bu4 yi1 qi2 shi4",
        ),  # nobody is asked about 不 and 一; of 期 and 似, the table may read 期
        ("", ""),
    ],
)
def test_readings(reader: G2PW, clause: str, spoken: str) -> None:
    assert reader(clause) == spoken.split()


def test_what_the_network_is_shown(folder: Path) -> None:
    network = Graph(folder / "g2pW.onnx", INPUTS, (OUTPUT,), CPU)
    shown: list[Mapping[str, NDArray[Any]]] = []

    def watched(inputs: Mapping[str, NDArray[Any]]) -> Sequence[NDArray[Any]]:
        shown.append(inputs)
        return network(inputs)

    watcher = G2PW(watched, G2PWTables.read(folder), WordPieces.read(folder / "vocab.txt"))
    watcher("人" * 40 + "长大长" + "人" * 40)
    (inputs,) = shown
    assert inputs["input_ids"].shape == (1, 1 + 16 + 3 + 16 + 1)
    assert inputs["position_ids"].tolist() == [17, 19]
    assert inputs["char_ids"].tolist() == [CHARACTERS.index("長")] * 2
    assert inputs["phoneme_mask"].sum(1).tolist() == [2, 2]
    shown.clear()
    assert watcher("人" * 50) == ["ren2"] * 50
    assert not shown, "nothing to ask"
    assert watcher("长大" * 600) == ["zhang3", "da4"] * 600
    assert max(inputs["input_ids"].shape[1] for inputs in shown) <= 512


def test_the_front_end_reads_with_it(reader: G2PW) -> None:
    assert " ".join(pronounce("他行走.", "v2", reader).phones) == "t a1 x ing2 z ou3 ."
    assert " ".join(pronounce("行", "v2", reader).phones) == "h ang2"


def test_where_the_network_is_silent_the_dictionary_reads(folder: Path) -> None:
    tables = G2PWTables.read(folder)
    silent = G2PW(lambda _: (), G2PWTables(tables.labels, {}, {}), WordPieces.read(folder / "vocab.txt"))
    for entry in json.loads((DATA / "goldens" / "text_zh_jieba.json").read_text("utf-8")):
        by_dictionary = lazy_pinyin(entry["clause"], Style.TONE3, neutral_tone_with_five=True, errors=list)
        assert silent(entry["clause"]) == by_dictionary


def test_traditional_characters_by_word() -> None:
    written = "頭髮發展理髮後面皇后乾淨幹部裡面公里著手走著臺灣這麼說"
    assert to_taiwanese("头发发展理发后面皇后干净干部里面公里着手走着台湾这么说") == written
    assert to_taiwanese("") == ""
    assert to_taiwanese("a1, 好") == "a1, 好"


def test_what_is_no_model_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"g2pW\.onnx"):
        open_g2pw(tmp_path, folder / "vocab.txt", CPU)
    (tmp_path / "g2pw.onnx").write_bytes((folder / "g2pW.onnx").read_bytes())
    with pytest.raises(BundleError, match="G2PW"):
        open_g2pw(tmp_path, folder / "vocab.txt", CPU)
