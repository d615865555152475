"""A small G2PW model: a graph of its interface that decides by the next character, and its tables."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray
from onnx import numpy_helper

SEVERAL = [
    "長\tㄔㄤ2",
    "長\tㄓㄤ3",
    "行\tㄒㄧㄥ2",
    "行\tㄏㄤ2",
    "一\tㄧ1",
    "一\tㄧ4",
    "著\tㄓㄨㄛ2",
    "著\tㄓㄜ5",
]
SINGLE = ["期\tㄑㄧ2", "似\tㄙ4", "人\tㄖㄣ2"]
SYLLABLES = {"ㄔㄤ": "chang", "ㄓㄤ": "zhang", "ㄒㄧㄥ": "xing", "ㄏㄤ": "hang", "ㄓㄨㄛ": "zhuo", "ㄓㄜ": "zhe"} | {
    "ㄧ": "yi", "ㄑㄧ": "qi", "ㄙ": "si", "ㄖㄣ": "ren",
}  # fmt: skip
LABELS = sorted({line.split("\t")[1] for line in SEVERAL})
CHARACTERS = sorted({line[0] for line in SEVERAL})
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"長江大人行走銀員不一期似著你"]

BY_NEXT = {"江": "ㄔㄤ2", "大": "ㄓㄤ3", "走": "ㄒㄧㄥ2", "員": "ㄏㄤ2", "你": "ㄓㄨㄛ2"}
"""What the network hears in the character after the one in question."""
BY_ITSELF = {"長": "ㄔㄤ2", "行": "ㄏㄤ2", "著": "ㄓㄜ5"}
"""What it thinks of a character, weaker than its neighbour."""

GRAPH = """<ir_version: 9, opset_import: ["": 17]>
g2pw (int64[B, L] input_ids, int64[B, L] token_type_ids, int64[B, L] attention_mask, float[N, {labels}] phoneme_mask,
      int64[N] char_ids, int64[N] position_ids) => (float[N, {labels}] probs) {{
    one = Constant <value_int: int = 1> ()
    seen = Mul (input_ids, attention_mask)
    typed = Add (seen, token_type_ids)
    next = Add (position_ids, one)
    ids = Gather <axis = 1> (typed, next)
    flat = Squeeze (ids)
    row = Constant <value_ints: ints = [-1]> ()
    neighbours = Reshape (flat, row)
    heard = Gather <axis = 0> (by_next, neighbours)
    thought = Gather <axis = 0> (by_itself, char_ids)
    logits = Add (heard, thought)
    weights = Exp (logits)
    allowed = Mul (weights, phoneme_mask)
    axes = Constant <value_ints: ints = [1]> ()
    total = ReduceSum (allowed, axes)
    probs = Div (allowed, total)
}}"""


def scores(rows: Sequence[str], opinions: Mapping[str, str], weight: float) -> NDArray[np.float32]:
    table = np.zeros((len(rows), len(LABELS)), np.float32)
    for row, label in opinions.items():
        table[rows.index(row), LABELS.index(label)] = weight
    return table


def write_model(path: Path) -> None:
    """Writes the files of the small model."""
    model = onnx.parser.parse_model(GRAPH.format(labels=len(LABELS)))
    for name, table in (
        ("by_next", scores(VOCABULARY, BY_NEXT, 4)),
        ("by_itself", scores(CHARACTERS, BY_ITSELF, 2)),
    ):
        model.graph.initializer.append(numpy_helper.from_array(table, name))
    onnx.checker.check_model(model)
    onnx.save(model, path / "g2pW.onnx")
    (path / "POLYPHONIC_CHARS.txt").write_text("\n".join(SEVERAL) + "\n", "utf-8")
    (path / "MONOPHONIC_CHARS.txt").write_text("\n".join(SINGLE) + "\n", "utf-8")
    (path / "bopomofo_to_pinyin_wo_tune_dict.json").write_text(json.dumps(SYLLABLES), "utf-8")
    (path / "vocab.txt").write_text("\n".join(VOCABULARY), "utf-8")
