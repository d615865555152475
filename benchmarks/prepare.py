#!/usr/bin/env python3
"""What `timbral prepare` does to transcripts, and how much it computes, beside faster-whisper alone with the same model.

    python benchmarks/prepare.py LIST [--transcriber DIR]

LIST is an official list of whole recordings with what is said in them. Errors are of words in English and Korean, of
characters elsewhere, without case and marks, over all recordings together.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel
from rich.console import Console
from rich.table import Table

from timbral.audio.decoding import DecodingStats, decode
from timbral.data import Line, Settings, prepare, read_list
from timbral.data.cleaning import clean_transcript
from timbral.data.sources import Recording
from timbral.data.transcription import RATE
from timbral.data.whisper import default_model

console = Console()


def clock() -> float:
    """Seconds that this process has computed, on all cores together: others on the machine do not count."""
    return time.process_time()


def units(text: str, language: str) -> list[str]:
    """What errors are counted in."""
    text = clean_transcript(text, language).text.lower().replace("'", "").replace("’", "")
    words = "".join(c if c.isalnum() else " " for c in text).split()
    return words if language in ("en", "ko") else list("".join(words))


def distance(heard: list[str], said: list[str]) -> int:
    """Units to insert, take out or exchange."""
    row = list(range(len(said) + 1))
    for i, unit in enumerate(heard, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(said, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (unit != other))
    return row[-1]


def error_rate(pairs: list[tuple[str, str, str]]) -> float:
    """Of (heard, said, language)."""
    counted = [(units(heard, language), units(said, language)) for heard, said, language in pairs]
    return sum(distance(*pair) for pair in counted) / sum(len(said) for _, said in counted)


def by_whisper(lines: tuple[Line, ...], name: str) -> tuple[list[str], float]:
    """Transcripts by faster-whisper with nothing around it, and seconds that it took."""
    folder = Path(name) if Path(name).is_dir() else default_model()
    whisper = WhisperModel(str(folder))
    sounds = [np.concatenate(list(decode(line.audio, RATE, DecodingStats()))) for line in lines]
    began = clock()
    texts = ["".join(part.text for part in whisper.transcribe(sound)[0]) for sound in sounds]
    return texts, clock() - began


def prepared(lines: tuple[Line, ...], name: str) -> tuple[list[str], float, int]:
    """The same by `prepare`, and how many clips it dropped."""
    with tempfile.TemporaryDirectory() as folder:
        began = clock()
        made = prepare([line.audio for line in lines], Path(folder) / "set", Settings(transcriber=name))
        seconds = clock() - began
    texts: dict[str, list[str]] = defaultdict(list)
    for line in made.lines:
        texts[line.audio.name.rsplit("_", 2)[0]].append(line.text)
    stems = [Recording(line.audio, "").clip_stem(Recording(line.audio, "").digest()) for line in lines]
    return [" ".join(texts[stem]) for stem in stems], seconds, len(made.dropped)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("list", type=Path)
    parser.add_argument("--transcriber", default="whisper")
    arguments = parser.parse_args()
    lines = read_list(arguments.list).lines
    plain, plain_seconds = by_whisper(lines, arguments.transcriber)
    ours, our_seconds, dropped = prepared(lines, arguments.transcriber)
    spoken = sum(sum(len(b) for b in decode(line.audio, RATE, DecodingStats())) for line in lines) / RATE
    table = Table("", "error rate", "seconds of one core", title=f"{len(lines)} recordings, {spoken:.0f} s")
    for title, texts, seconds in (
        ("faster-whisper alone", plain, plain_seconds),
        (f"timbral prepare ({dropped} clips dropped)", ours, our_seconds),
    ):
        pairs = [(text, line.text, line.language) for text, line in zip(texts, lines, strict=True)]
        table.add_row(title, f"{error_rate(pairs):.3f}", f"{seconds:.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
