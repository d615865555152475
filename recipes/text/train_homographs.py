"""Trains the classifiers of English homographs: python train_homographs.py DATA OUT

DATA is the folder `data` of google-research-datasets/WikipediaHomographData (Apache-2.0), with `train` and `eval`. Writes
OUT/en_homograph_weights.txt.xz and prints the accuracy on `eval`, which is not trained on. Logistic regression by
stochastic gradient descent with AdaGrad steps; weights are rounded and small ones left out.
"""

import csv
import lzma
import math
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from timbral.text.g2p.english.homographs import VERB, features
from timbral.text.g2p.english.lexicon import homographs
from timbral.text.g2p.english.phones import tokens_of
from timbral.text.normalize.english import normalize

FIRST = {
    "lead_nou-vrb", "read_present", "bass", "bow_nou-ship", "row_1", "sow", "minute", "invalid_adj", "polish", "mobile",
    "aged", "axes_nou", "celtic", "reading_en", "buffet_nou", "sake", "content_nou", "affect", "compress", "wound_vrb",
    "isolate", "transform", "correlate_nou-vrb", "rodeo", "job", "jesus", "mate", "intrigue_nou-vrb",
}  # fmt: skip
"""What the first pronunciation of a word stands for, where that is not its verb."""
SHARED_AS_VERB = {"affect", "compress", "isolate", "transform"}
EPOCHS, RATE, DECAY, SCALE, LEAST, RAREST = 6, 0.1, 2e-5, 64, 6, 2


class Example(NamedTuple):
    word: str
    first: bool
    shared: bool
    features: list[str]


def examples(folder: Path) -> list[Example]:
    found: list[Example] = []
    for file in sorted(folder.glob("*.tsv")):
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                word = row["homograph"].lower()
                if word not in homographs():
                    continue
                sentence = row["sentence"].encode()
                start, end = int(row["start"]), int(row["end"])
                before, written, after = (
                    part.decode() for part in (sentence[:start], sentence[start:end], sentence[end:])
                )
                left, right = tokens_of(normalize(before)), tokens_of(normalize(after))
                left = left[max((i + 1 for i, token in enumerate(left) if token in ".?!"), default=0) :]
                right = right[: next((i + 1 for i, token in enumerate(right) if token in ".?!"), len(right))]
                label = row["wordid"]
                first = (label.endswith("_vrb") and label != "content_adj-nou-vrb") or label in FIRST
                if word in {name.partition("_")[0] for name in FIRST}:
                    first = label in FIRST
                shared = homographs()[word].part_of_speech == "V"
                found.append(Example(word, first, shared, features([*left, written, *right], len(left))))
    return found


def keys(example: Example) -> list[tuple[str, str]]:
    own = [(example.word, feature) for feature in example.features]
    return own + ([(VERB, feature) for feature in example.features] if example.shared else [])


def train(data: list[Example]) -> dict[tuple[str, str], float]:
    counts = Counter(key for example in data for key in keys(example))
    known = [([key for key in keys(example) if counts[key] >= RAREST], example.first) for example in data]
    weights: dict[tuple[str, str], float] = defaultdict(float)
    squares: dict[tuple[str, str], float] = defaultdict(lambda: 1e-6)
    order = random.Random(0)
    for _ in range(EPOCHS):
        order.shuffle(known)
        for active, first in known:
            score = sum(weights[key] for key in active)
            error = first - 1 / (1 + math.exp(-max(min(score, 30.0), -30.0)))
            for key in active:
                gradient = error - DECAY * weights[key] * len(data) / max(counts[key], 1)
                squares[key] += gradient * gradient
                weights[key] += RATE * gradient / math.sqrt(squares[key])
    return weights


def accuracy(data: list[Example], rounded: dict[tuple[str, str], int]) -> tuple[float, dict[str, list[bool]]]:
    right: dict[str, list[bool]] = defaultdict(list)
    for example in data:
        score = sum(rounded.get(key, 0) for key in keys(example))
        right[example.word].append((score > 0) == example.first)
    return sum(map(sum, right.values())) / len(data), right


def main(data: Path, out: Path) -> None:
    training, held_out = examples(data / "train"), examples(data / "eval")
    rounded = {key: round(weight * SCALE) for key, weight in train(training).items()}
    rounded = {key: weight for key, weight in rounded.items() if abs(weight) >= LEAST}
    rows = "".join(f"{word}\t{feature}\t{weight}\n" for (word, feature), weight in sorted(rounded.items()))
    packed = lzma.compress(rows.encode(), preset=9 | lzma.PRESET_EXTREME)
    (out / "en_homograph_weights.txt.xz").write_bytes(packed)
    share, right = accuracy(held_out, rounded)
    print(f"{len(training)} sentences to train, {len(rounded)} weights, {len(packed)} bytes")
    print(
        f"{share:.4f} of {len(held_out)} held-out sentences; mean over {len(right)} words "
        f"{sum(sum(r) / len(r) for r in right.values()) / len(right):.4f}"
    )
    for word, answers in sorted(right.items(), key=lambda item: sum(item[1]) / len(item[1]))[:12]:
        print(f"  {word}: {sum(answers)}/{len(answers)}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
