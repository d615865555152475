"""Packs the Chinese dictionaries of timbral.text: python build_chinese.py OFFICIAL CPP OUT

OFFICIAL is the folder `GPT_SoVITS/text` of the official repository, CPP the folder `data` of kakaobrain/g2pM with
`dev.sent`, `dev.lb`, `test.sent` and `test.lb`. Needs jieba 0.42.1, g2pM 0.1.2.5, OpenCC 1.4.2 and timbral installed.
"""

import ast
import importlib.util
import pickle
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

HAN = re.compile("[一-龥]+")
LOWEST = np.finfo(np.float32).min
SHORT = 4  # characters that fit into a 64-bit key
LISTS = {
    "zh_neutral_tone.txt": (
        "tone_sandhi.py",
        "must_neural_tone_words",
        "Words whose last syllable loses its tone. From PaddleSpeech (Apache-2.0), as extended by GPT-SoVITS (MIT).",
    ),
    "zh_not_neutral_tone.txt": (
        "tone_sandhi.py",
        "must_not_neural_tone_words",
        "Words that keep their tone although their form (-子, -们, doubled) suggests otherwise."
        " Source as zh_neutral_tone.txt.",
    ),
}
OWN = {
    "zh_not_neutral_tone.txt": "处处 时时 刻刻 天天 年年 月月 家家 户户 步步 层层 样样 件件 事事 个个 条条 句句"
    " 字字 声声 世世 代代 日日 夜夜 座座 片片 阵阵 滴滴",
}
"""Words that Timbral adds to a list."""


def folder_of(package: str) -> Path:
    """Where a package is installed, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed")
    return Path(spec.origin).parent


def key(word: str) -> int:
    return int.from_bytes(word.encode("utf-16-be"), "big")


def words() -> dict[str, Any]:
    """jieba's dictionary: short words as differences of sorted 64-bit keys, long ones as text."""
    entries: dict[str, tuple[int, str]] = {}
    total = 0
    for line in (folder_of("jieba") / "dict.txt").read_text("utf-8").splitlines():
        word, count, tag = line.split()
        total += int(count)
        if HAN.fullmatch(word):
            entries[word] = int(count), tag
    short = sorted((word for word in entries if len(word) <= SHORT), key=key)
    long = sorted(word for word in entries if len(word) > SHORT)
    tags = sorted({tag for _, tag in entries.values()})
    found = [entries[word] for word in (*short, *long)]
    return {
        "total": np.int64(total),
        "tag_names": np.array(tags),
        "key_steps": np.diff(np.array([key(word) for word in short], np.uint64), prepend=np.uint64(0)),
        "long_words": np.frombuffer("\n".join(long).encode(), np.uint8),
        "counts": np.array([count for count, _ in found], np.uint32),
        "tags": np.array([tags.index(tag) for _, tag in found], np.uint8),
    }


def markov(name: str, start: Any, steps: Any, emission: Any, allowed: Any) -> dict[str, Any]:
    """A hidden Markov model of jieba; what is impossible has the lowest number there is."""

    def stored(values: Any) -> np.ndarray:
        return np.maximum(np.asarray(values, np.float64), LOWEST).astype(np.float32)

    states = sorted(emission)
    place = {state: at for at, state in enumerate(states)}
    matrix = np.full((len(states), len(states)), -np.inf)
    for before, targets in steps.items():
        for after, probability in targets.items():
            matrix[place[before], place[after]] = max(probability, LOWEST)
    characters = sorted(c for c in {c for some in emission.values() for c in some} if HAN.fullmatch(c))
    rows = [
        (at, place[state], emission[state][c], state in allowed.get(c, ()))
        for at, c in enumerate(characters)
        for state in states
        if c in emission[state]
    ]
    counts = np.bincount([row[0] for row in rows], minlength=len(characters))
    return {
        f"{name}_states": np.array(["".join(state) for state in states]),
        f"{name}_start": stored([start[state] for state in states]),
        f"{name}_trans": matrix.astype(np.float32),
        f"{name}_chars": np.array([ord(c) for c in characters], np.uint16),
        f"{name}_counts": counts.astype(np.uint8 if counts.max() < 256 else np.uint16),
        f"{name}_emit_state": np.array([row[1] for row in rows], np.uint8),
        f"{name}_emit": stored([row[2] for row in rows]),
        f"{name}_allowed": np.packbits([row[3] for row in rows]),
    }


def unknown_words() -> dict[str, Any]:
    from jieba.finalseg import prob_emit as cut_emission
    from jieba.finalseg import prob_start as cut_start
    from jieba.finalseg import prob_trans as cut_steps
    from jieba.posseg import char_state_tab, prob_emit, prob_start, prob_trans

    tagging = markov("tag", prob_start.P, prob_trans.P, prob_emit.P, char_state_tab.P)
    return tagging | markov("cut", cut_start.P, cut_steps.P, cut_emission.P, {})


def polyphones(cpp: Path) -> tuple[dict[str, Any], str]:
    """g2pM's network in half precision, and the readings that its data set has for each character."""
    folder = folder_of("g2pM")

    def load(name: str) -> Any:
        return pickle.loads((folder / name).read_bytes())  # g2pM's own, as g2pM reads it

    weights = load("np_ckpt.pkl")
    half = {name: values.astype(np.float16) for name, values in weights.items()}
    arrays = {
        "embedding": half["embedding.weight"],
        "hidden": half["logit_layer.0.weight"],
        "hidden_bias": half["logit_layer.0.bias"],
        "output": half["logit_layer.2.weight"],
        "output_bias": half["logit_layer.2.bias"],
    }
    for name, suffix in (("forward", ""), ("backward", "_reverse")):
        bias = weights[f"lstm.bias_ih_l0{suffix}"] + weights[f"lstm.bias_hh_l0{suffix}"]
        arrays[f"{name}_input"] = half[f"lstm.weight_ih_l0{suffix}"]
        arrays[f"{name}_state"] = half[f"lstm.weight_hh_l0{suffix}"]
        arrays[f"{name}_bias"] = bias.astype(np.float16)
    characters, classes = load("char2idx.pkl"), load("class2idx.pkl")
    vocabulary = sorted(characters, key=characters.get)[4:]
    arrays["characters"] = np.array([ord(c) for c in vocabulary], np.uint32)
    arrays["pinyin"] = np.array([name.replace("u:", "v") for name in sorted(classes, key=classes.get)])

    readings = defaultdict(set)
    for part in ("dev", "test"):
        sentences = (cpp / f"{part}.sent").read_text("utf-8").split("\n")
        labels = (cpp / f"{part}.lb").read_text("utf-8").split("\n")
        for sentence, label in zip(sentences, labels, strict=False):
            if label.strip():
                character = sentence[sentence.index("▁") + 1]
                readings[character].add(label.strip().replace("u:", "v"))
    head = (
        "# Characters with several readings, as far as they occur in the CPP data set"
        " (github.com/kakaobrain/g2pM, Apache-2.0).\n"
    )
    lines = [f"{character} {' '.join(sorted(some))}\n" for character, some in sorted(readings.items())]
    return arrays, head + "".join(lines)


def simplified(official: Path) -> str:
    """Characters and their simplified forms, 30 pairs a line."""
    table: dict[str, Any] = {}
    exec((official / "zh_normalization" / "char_convert.py").read_text("utf-8"), table)
    pairs = sorted(a + b for a, b in table["t2s_dict"].items() if a != b)
    lines = [" ".join(pairs[at : at + 30]) for at in range(0, len(pairs), 30)]
    head = (
        "# Traditional characters and their simplified forms, in pairs."
        " From PaddleSpeech (Apache-2.0), `char_convert.py`."
    )
    return "\n".join([head, *lines]) + "\n"


def traditional() -> str:
    """What OpenCC knows beyond single characters and beyond PaddleSpeech. Reads the packed zh_simplified.txt."""
    from timbral.text.normalize.chinese.simplification import simplify_characters as simplify

    def pairs(name: str) -> Iterable[tuple[str, str]]:
        for line in (folder_of("opencc") / "dictionary" / name).read_text("utf-8").splitlines():
            written, forms = line.split("\t")
            if HAN.fullmatch(form := forms.split()[0]):
                yield written, form

    characters = {a: b for a, b in pairs("TSCharacters.txt") if b != a and simplify(a) != b}

    def one_by_one(word: str) -> str:
        return simplify("".join(characters.get(c, c) for c in word))

    words = {a: b for a, b in pairs("TSPhrases.txt") if one_by_one(a) != b}
    head = (
        "# Traditional to simplified where `zh_simplified.txt` has nothing or something else: characters, and words"
        " whose characters are\n# simplified differently than alone."
        " From OpenCC 1.4.2 (Apache-2.0), TSCharacters and TSPhrases.txt.\n"
    )
    return head + "".join(f"{a} {b}\n" for a, b in [*sorted(words.items()), *sorted(characters.items())])


def word_list(source: Path, name: str, head: str) -> str:
    """The set of words that is assigned to `name` in a Python file, in lines of 50 characters."""
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "attr", "") == name:
            found = sorted(ast.literal_eval(node.value))
            break
    else:
        raise SystemExit(f"{source} has no {name}")
    lines, line = [], ""
    for word in found:
        if len(line) + len(word) + 1 > 50:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "\n".join([f"# {head}", *lines, line]) + "\n"


def main(official: Path, cpp: Path, out: Path) -> None:
    np.savez_compressed(out / "zh_words.npz", **words(), **unknown_words())
    arrays, readings = polyphones(cpp)
    np.savez_compressed(out / "zh_polyphones.npz", **arrays)
    (out / "zh_polyphones.txt").write_text(readings, "utf-8")
    (out / "zh_simplified.txt").write_text(simplified(official), "utf-8")
    (out / "zh_traditional.txt").write_text(traditional(), "utf-8")
    for name, (source, variable, head) in LISTS.items():
        own = f"# Timbral's own:\n{OWN[name]}\n" if name in OWN else ""
        (out / name).write_text(word_list(official / source, variable, head) + own, "utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
