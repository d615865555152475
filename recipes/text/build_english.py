"""Packs the English dictionaries of timbral.text: python build_english.py OFFICIAL NAMES G2P_EN WORDSEGMENT OUT

OFFICIAL is the folder `GPT_SoVITS/text` of the official repository, NAMES its `namedict_cache.pickle`; G2P_EN and
WORDSEGMENT are the package folders of g2p_en 2.1.0 and wordsegment 1.3.1, which are read and not imported.
"""

import io
import lzma
import pickle
import re
import sys
from pathlib import Path

import numpy as np

SPELLING = re.compile(r"[a-z'.\-]*[a-z][a-z'.\-]*")
FIRST_WORD = 57  # the line of cmudict.rep at which the official code begins to read
COUNT_STEPS = 512  # as in timbral.text.g2p.english.compounds
DROPPED = {"ae", "ai", "ar", "ios", "hud", "os"}
CORRECTED = {
    "read": ("read", "R IY1 D", "R EH1 D", "VBP"),
    "complex": ("complex", "K AH0 M P L EH1 K S", "K AA1 M P L EH0 K S", "JJ"),
}
"""What the official front end takes out of the dictionary, and its corrections of homographs."""
NO_HOMOGRAPHS = {"baths", "closes", "processes"}
"""Words that g2p_en has with a second pronunciation that nobody uses."""


class Plain(pickle.Unpickler):
    """Reads dictionaries, lists and strings, and nothing that could run."""

    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"{module}.{name} has no business in a list of names")


def dictionary(official: Path) -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for line in (official / "cmudict.rep").read_text("utf-8").splitlines()[FIRST_WORD - 1 :]:
        word, phones = line.strip().split("  ")[:2]
        words[word.lower()] = phones.split(" ")
    for line in (official / "cmudict-fast.rep").read_text("utf-8").splitlines():
        word, *phones = line.strip().split(" ")
        words.setdefault(word.lower(), phones)
    for line in (official / "engdict-hot.rep").read_text("utf-8").splitlines():
        word, *phones = line.strip().split(" ")
        words[word.lower()] = phones
    return {word: phones for word, phones in words.items() if word not in DROPPED}


def rows(words: dict[str, list[str]]) -> bytes:
    """A word and its phones a line; what follows a # is a comment of CMUdict."""
    spoken = {
        word: phones[: phones.index("#")] if "#" in phones else phones
        for word, phones in sorted(words.items())
        if SPELLING.fullmatch(word)
    }
    return "\n".join(" ".join([word, *filter(None, phones)]) for word, phones in spoken.items()).encode()


def compounds(folder: Path) -> bytes:
    """Counts of words and of pairs of them as logarithms, the pairs sorted."""

    def counts(name: str) -> dict[str, int]:
        lines = (folder / name).read_text("utf-8").splitlines()
        return {words: int(count) for words, count in (line.split("\t") for line in lines)}

    def logarithms(values: list[int]) -> np.ndarray:
        return np.round(np.log10(np.asarray(values, np.float64)) * COUNT_STEPS).astype(np.uint16)

    singles = counts("unigrams.txt")
    words = sorted(word for word in singles if re.fullmatch("[a-z]{1,24}", word))
    places = {word: place for place, word in enumerate(words)}
    split = ((*pair.split(" "), count) for pair, count in counts("bigrams.txt").items())
    known = [(places[a], places[b], count) for a, b, count in split if a in places and b in places]
    first, second, count = np.array(sorted(known)).T
    buffer = io.BytesIO()
    np.savez(
        buffer,
        words=np.frombuffer("\n".join(words).encode(), np.uint8),
        counts=logarithms([singles[word] for word in words]),
        first=np.diff(first, prepend=0).astype(np.uint16),
        second=second.astype(np.int32),
        pair_counts=logarithms(count.tolist()),
    )
    return buffer.getvalue()


def homographs(file: Path) -> str:
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]
    entries = [tuple(line.strip().split("|")) for line in lines]
    table = {word.lower(): (word.lower(), *rest) for word, *rest in entries} | CORRECTED
    table = {word: row for word, row in table.items() if word not in NO_HOMOGRAPHS}
    by_hand = (Path(__file__).parent / "english_homographs.txt").read_text("utf-8").splitlines()
    table |= {line.split("|")[0]: tuple(line.split("|")) for line in by_hand if not line.startswith("#")}
    return "".join("|".join(row) + "\n" for row in sorted(table.values()))


def main(official: Path, names: Path, g2p_en: Path, wordsegment: Path, out: Path) -> None:
    words = dictionary(official)
    with names.open("rb") as file:
        first_names = {name: phones[0] for name, phones in Plain(file).load().items() if name not in words}
    packed = {
        "en_words.txt.xz": rows(words),
        "en_names.txt.xz": rows(first_names),
        "en_compounds.npz.xz": compounds(wordsegment),
    }
    for name, content in packed.items():
        (out / name).write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    (out / "en_homographs.txt").write_text(homographs(g2p_en / "homographs.en"), "utf-8")
    with np.load(g2p_en / "checkpoint20.npz") as weights:
        half = {name: weights[name].astype(np.float16) for name in weights.files}
    np.savez_compressed(out / "en_letters_to_sounds.npz", **half)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
