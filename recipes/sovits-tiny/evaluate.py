"""Evaluates a bundle on held-out sentences with the voices of a folder of recordings.

    python evaluate.py BUNDLE PROMPTS.tsv TEXT_DIR OUT [--sentences 2] [--against PARENT]

PROMPTS.tsv has the columns id, language and transcript, recordings lie beside it as ID.flac; TEXT_DIR has
en.txt, zh.txt, ja.txt. OUT gets speech, figures and a report of `timbral evaluate`; repeat the command to resume.
"""

import argparse
import csv
from pathlib import Path

from sentences import sentences

from timbral.evaluation import Case, Suite, SuiteVoice, evaluate, write_report

CROSS = {"zh": "en", "en": "zh", "ja": "ja"}


def read_suite(prompts: Path, text: Path, count: int, cross: bool) -> Suite:
    """Cases of all voices of a table, each with other sentences."""
    cases = []
    with prompts.open(encoding="utf-8") as file:
        for n, row in enumerate(csv.DictReader(file, delimiter="\t")):
            recording = prompts.parent / f"{row['id']}.flac"
            voice = SuiteVoice(row["id"], recording, row["transcript"], row["language"])
            lang = CROSS[row["language"]] if cross else row["language"]
            texts = sentences(text, lang, held_out=True)
            for i in range(count):
                cases.append(Case(f"{row['id']}_{i}", voice, texts[(n * count + i) % len(texts)], lang))
    return Suite("held-out", tuple(cases))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("prompts", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sentences", type=int, default=2)
    parser.add_argument("--cross", action="store_true", help="let zh voices speak en and the other way round")
    parser.add_argument("--against", type=Path, help="parent to compare with")
    args = parser.parse_args()
    suite = read_suite(args.prompts, args.text, args.sentences, args.cross)
    found = evaluate(
        args.bundle,
        suite,
        against=args.against,
        folder=args.out,
        progress=lambda what, share: print(f"{what}: {share:.0%}", flush=True),
    )
    print(write_report(found, args.out).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
