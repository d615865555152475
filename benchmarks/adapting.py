#!/usr/bin/env python3
"""Synthesizes sentences with zero-shot and fine-tuned voices, for a judge to rate.

    python benchmarks/adapting.py SPEAKERS TEXT OUT [--seconds 15 30 60] [--sentences 3]

SPEAKERS holds a folder of recordings for each speaker; the last one by name is held out, and likeness is
measured against it. TEXT holds sentences, `en.txt`, `zh.txt`, one a line. Zero-shot voices are cloned from up
to 9.5 s of the first recording. OUT gets the audio and `cases.jsonl`, a line for each file with its text,
language, speaker recording and group.
"""

import argparse
import io
import json
import random
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import soundfile

import timbral
from timbral import data
from timbral.errors import TimbralWarning
from timbral.training.adaptation import adapt_voice
from timbral.training.recordings import read_recordings
from timbral.training.settings import family_of, read_settings

REFERENCE = 9.5
LENGTHS = {"en": (40, 90), "zh": (10, 25)}
"""Characters of a sentence."""


def voices(
    tts: timbral.Synthesizer, recordings: list[Path], work: Path, lengths: list[float], config: Path | None
) -> Iterator[tuple[str, timbral.Voice]]:
    """The speaker's voice zero-shot, and fine-tuned on about so many seconds, each with the name of its
    group.
    """
    samples, rate = soundfile.read(recordings[0], always_2d=True, frames=-1)
    file = io.BytesIO()
    soundfile.write(file, samples[: int(REFERENCE * rate)].mean(1), rate, format="WAV")
    yield "zero-shot", tts.clone(file.getvalue())
    for seconds in lengths:
        folder = work / f"{seconds:g}"
        began = time.perf_counter()
        settings = data.Settings(speaker=work.name, transcriber="none", at_most=seconds)
        prepared = data.prepare(recordings, folder / "data", settings)
        found, _ = read_recordings(prepared.path)
        adapted = adapt_voice(
            tts,
            found,
            folder / "run",
            read_settings(family_of(tts.manifest), config),
            resume=(folder / "run").exists(),
        )
        assert adapted is not None
        print(
            f"{work.name}: {prepared.seconds:.0f} s of speech, {time.perf_counter() - began:.0f} s",
            flush=True,
        )
        yield f"{seconds:g} s", adapted.voice


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("speakers", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0], help="of speech to learn from")
    parser.add_argument("--sentences", type=int, default=3, help="in each language, for each speaker")
    parser.add_argument("--config", type=Path, help="settings of the training, as `timbral train` takes them")
    parser.add_argument("--only", nargs="*", default=[], help="names of speakers; all of them if left out")
    args = parser.parse_args()
    warnings.simplefilter("ignore", TimbralWarning)
    tts = timbral.load(languages=())
    args.out.mkdir(parents=True, exist_ok=True)
    chance, cases = random.Random(0), []
    texts = {
        language: [
            t for t in (args.text / f"{language}.txt").read_text("utf-8").splitlines() if low < len(t) < high
        ]
        for language, (low, high) in LENGTHS.items()
    }
    for folder in sorted(path for path in args.speakers.iterdir() if path.is_dir()):
        if args.only and folder.name not in args.only:
            continue
        *recordings, kept = sorted(folder.iterdir())
        said = [(lang, text) for lang in texts for text in chance.sample(texts[lang], args.sentences)]
        for group, voice in voices(
            tts, recordings, args.out / "work" / folder.name, args.seconds, args.config
        ):
            for number, (language, text) in enumerate(said):
                wav = args.out / f"{folder.name}-{group.replace(' ', '')}-{number}.wav"
                tts.say(text, voice, language, seed=number).save(wav)
                case = {"wav": str(wav), "text": text, "lang": language, "ref": str(kept)}
                cases.append(case | {"group": f"{group}, {language}", "speaker": folder.name})
        lines = "".join(f"{json.dumps(case, ensure_ascii=False)}\n" for case in cases)
        (args.out / "cases.jsonl").write_text(lines, "utf-8")


if __name__ == "__main__":
    main()
