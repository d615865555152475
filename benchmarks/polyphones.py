"""Chinese characters with several readings: python benchmarks/polyphones.py DIR [--show N]

DIR has the CPP test set (Park and Lee, Interspeech 2020): `test.sent` and `test.lb` of github.com/kakaobrain/g2pM,
data/. In each sentence one character between ▁ is asked about. Prints the share of right readings of Timbral, of
pypinyin and, where it is installed, of g2pM 0.1.2.5.
`--part dev` takes the development set, `--show N` prints what Timbral gets wrong most.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pypinyin import Style, lazy_pinyin

from timbral.text.g2p.chinese import pinyin_of

Reader = Callable[[str], list[str]]


def questions(folder: Path, part: str) -> Iterator[tuple[str, int, str]]:
    """Sentence, place of the character in question, right reading."""
    sentences = (folder / f"{part}.sent").read_text("utf-8").splitlines()
    labels = (folder / f"{part}.lb").read_text("utf-8").splitlines()
    for sentence, label in zip(sentences, labels, strict=True):
        yield sentence.replace("▁", ""), sentence.index("▁"), label.replace("u:", "v")


def by_timbral(sentence: str) -> list[str]:
    return pinyin_of(sentence)


def by_pypinyin(sentence: str) -> list[str]:
    return lazy_pinyin(sentence, style=Style.TONE3, neutral_tone_with_five=True, errors=list)


def readers() -> dict[str, Reader]:
    found: dict[str, Reader] = {"pypinyin": by_pypinyin, "timbral": by_timbral}
    try:
        from g2pM import G2pM
    except ImportError:
        return found
    network = G2pM()
    return {
        "g2pM": lambda sentence: [s.replace("u:", "v") for s in network(sentence, char_split=True)]
    } | found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", default="test")
    parser.add_argument("--show", type=int, default=0)
    options = parser.parse_args()
    asked = list(questions(options.folder, options.part))
    wrong: Counter[tuple[str, str, str]] = Counter()
    example: dict[tuple[str, str, str], str] = {}
    for name, read in readers().items():
        right = 0
        for sentence, at, label in asked:
            answer = read(sentence)[at]
            right += answer == label
            if name == "timbral" and answer != label:
                kind = (sentence[at], label, answer)
                wrong[kind] += 1
                example.setdefault(kind, sentence)
        print(f"{name}: {right}/{len(asked)} = {right / len(asked):.4f}", flush=True)
    for (character, label, answer), count in wrong.most_common(options.show):
        print(f"{count:4} {character} is {label}, read {answer}: {example[character, label, answer]}")


if __name__ == "__main__":
    main()
