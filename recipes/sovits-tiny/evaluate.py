"""Speaks held-out sentences with the voices of a folder of recordings, as cases for a judge.

    python evaluate.py BUNDLE PROMPTS.tsv TEXT_DIR OUT [--sentences 2]

PROMPTS.tsv has the columns id, language and transcript, recordings lie beside it as ID.flac; TEXT_DIR has
en.txt, zh.txt, ja.txt. Writes OUT/*.wav and OUT/cases.jsonl: wav, text, lang, ref, group.
"""

import argparse
import csv
import json
import warnings
from pathlib import Path

from sentences import sentences

import timbral


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
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--top-p", type=float)
    parser.add_argument(
        "--transcript", action="store_true", help="tell the model what is said in each recording"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    args.out.mkdir(parents=True, exist_ok=True)
    tts = timbral.load(args.bundle)
    with args.prompts.open() as f, (args.out / "cases.jsonl").open("w") as cases:
        for n, row in enumerate(csv.DictReader(f, delimiter="\t")):
            lang = row["language"]
            if args.cross:
                lang = {"zh": "en", "en": "zh", "ja": "ja"}[lang]
            recording = args.prompts.parent / f"{row['id']}.flac"
            voice = tts.clone(recording, text=row["transcript"] if args.transcript else None)
            texts = sentences(args.text, lang, held_out=True)
            for i in range(args.sentences):
                text = texts[(n * args.sentences + i) % len(texts)]
                wav = args.out / f"{row['id']}_{i}.wav"
                speech = tts.say(
                    text,
                    voice,
                    lang,
                    seed=i,
                    temperature=args.temperature,
                    top_p=args.top_p,
                )
                speech.save(wav)
                case = {
                    "wav": str(wav),
                    "text": text,
                    "lang": lang,
                    "ref": str(recording),
                    "group": lang,
                    "rtf": round(speech.report.rtf, 3),
                    "retries": speech.report.retries,
                    "faults": speech.report.faults,
                }
                cases.write(json.dumps(case, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
