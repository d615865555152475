#!/usr/bin/env python3
"""What the watermark survives, how often it is found where it is not, and what it changes and costs.

    python benchmarks/watermark.py FOLDER... [--seconds 3] [--clips 40] [--keys 30] [--only PART]

FOLDER holds recordings of speech without a watermark, in any depth. They are put together and cut into
pieces. Each piece is searched for the public key and for `--keys` others, which are as many trials. `--clips`
pieces, spread over the folders, are watermarked, cropped to `--seconds` at different places, and attacked.
"""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from attacks import CHANGED, EXPECTED, HARDER
from numpy.typing import NDArray
from rich.console import Console

from timbral.audio import read
from timbral.audio.reading import RECORDING_SUFFIXES
from timbral.audio.resampling import resample
from timbral.audio.watermark import PUBLIC_KEY, WatermarkEmbedder, detect_watermark
from timbral.audio.watermark.detection import (
    FALSE_ALARM,
    cell_residuals,
    false_alarm_bound,
    highest_statistic,
)
from timbral.audio.watermark.pattern import signs
from timbral.errors import AudioError

RATE = 24_000
Samples = NDArray[np.float32]
console = Console(width=110, highlight=False)


def pieces(folder: Path, seconds: float) -> Iterator[Samples]:
    """The recordings of a folder, one after the other, in pieces of this length."""
    kept, size = np.zeros(0, np.float32), int(seconds * RATE)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in RECORDING_SUFFIXES:
            continue
        try:
            samples, rate = read(path)
        except AudioError as error:
            console.print(f"left out: {error}")
            continue
        kept = np.concatenate([kept, resample(samples, rate, RATE)])
        while len(kept) >= size:
            yield kept[:size]
            kept = kept[size:]


def watermarked(samples: Samples) -> Samples:
    """The piece with the watermark of the public key."""
    embedder = WatermarkEmbedder(RATE)
    return np.concatenate([embedder.push(samples), embedder.finish()])


def false_alarms(folders: list[Path], seconds: float, keys: int) -> None:
    """Prints how often pieces without the watermark reach a statistic, beside the bound."""
    patterns = [signs(PUBLIC_KEY), *(signs(f"key {i}") for i in range(keys))]
    statistics = []
    for folder in folders:
        count = len(statistics)
        for piece in pieces(folder, seconds):
            residuals = cell_residuals(piece, RATE)
            statistics.append([highest_statistic(residuals, pattern) for pattern in patterns])
        console.print(f"{folder.name}: {len(statistics) - count} pieces")
    found = np.array(statistics)
    console.print("statistic, share of the public key's at least as high, of all keys', bound")
    for level in np.arange(3.5, 6.1, 0.25):
        public, every = (found[:, 0] >= level).mean(), (found >= level).mean()
        console.print(f"{level:9.2f}{public:12.2g}{every:12.2g}{false_alarm_bound(level):12.2g}")
    alarms = sum(false_alarm_bound(statistic) <= FALSE_ALARM for statistic in found.flat)
    console.print(
        f"{len(found)} pieces, {found.size} trials; highest statistic {found[:, 0].max():.2f} of the public key, "
        f"{found.max():.2f} of all; {alarms} false alarms"
    )


def survival(clips: list[Samples], seconds: float) -> None:
    """Prints after which attacks the watermark is found in crops of a length."""
    size, marked = int(seconds * RATE), [watermarked(clip) for clip in clips]
    console.print(
        f"With the watermark, {len(clips)} crops of {seconds:g} s: found; statistic, mean and least"
    )
    for name, attack in {**EXPECTED, **HARDER, **CHANGED}.items():
        found = []
        for number, samples in enumerate(marked):
            start = number * 7919 % (len(samples) - size)
            crop = attack(samples[start : start + size], RATE)
            found.append(detect_watermark(crop, RATE, any_speed=name in CHANGED))
        statistics = [result.statistic for result in found]
        share = np.mean([result.found for result in found])
        console.print(f"{name:<28}{share:>8.1%}{np.mean(statistics):>8.1f}{min(statistics):>8.1f}")


def mel_levels(samples: Samples) -> NDArray[np.float64]:
    """Levels in dB of 80 mel bands from 0 to 12 kHz, each 10 ms: [frames, 80]."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, 600)[::240] * np.hanning(600)
    power = np.square(np.abs(np.fft.rfft(frames, 1024)))
    edges = 700 * (10 ** (np.linspace(0, 2595 * math.log10(1 + 12_000 / 700), 82) / 2595) - 1)
    bins = np.fft.rfftfreq(1024, 1 / RATE)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    mel = power @ np.clip(np.minimum(rising, falling), 0, None)
    levels: NDArray[np.float64] = 10 * np.log10(mel + 1e-6 * mel.mean())
    return levels


def change(clips: list[Samples]) -> None:
    """Prints the distance of mel spectra with and without the watermark, beside that of codecs."""
    changes = {"watermark": watermarked} | {
        name: lambda samples, attack=EXPECTED[name]: attack(samples, RATE)
        for name in ("MP3 64 kb/s", "MP3 32 kb/s", "Opus 24 kb/s")
    }
    for name, changed in changes.items():
        distances = []
        for clip in clips:
            after = changed(clip)[: len(clip)]
            before = mel_levels(clip[: len(after)])
            distances.append(np.sqrt(np.mean(np.square(mel_levels(after) - before))))
        console.print(f"distance of mel spectra, {name}: {np.mean(distances):.2f} dB root mean square")


def cost(clip: Samples) -> None:
    """Prints the time of embedding and of detection, as a share of the sound's."""
    sound = np.tile(clip, 1 + int(60 * RATE / len(clip)))
    for seconds in (0.02, 0.2, 2.0):
        embedder, size, began = WatermarkEmbedder(RATE), int(seconds * RATE), time.process_time()
        for start in range(0, len(sound), size):
            embedder.push(sound[start : start + size])
        embedder.finish()
        share = (time.process_time() - began) / (len(sound) / RATE)
        console.print(f"embedding in chunks of {1000 * seconds:g} ms: {share:.2%} of real time")
    began = time.process_time()
    detect_watermark(sound, RATE)
    console.print(f"detection: {(time.process_time() - began) / (len(sound) / RATE):.2%} of real time")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--keys", type=int, default=30)
    parser.add_argument("--only", choices=("false-alarms", "cost", "attacks"))
    options = parser.parse_args()
    if options.only in (None, "false-alarms"):
        false_alarms(options.folders, options.seconds, options.keys)
    if options.only == "false-alarms":
        return
    each = -(-options.clips // len(options.folders))
    clips = [
        clip
        for folder in options.folders
        for clip, _ in zip(pieces(folder, 2 * options.seconds + 1), range(each), strict=False)
    ]
    if options.only in (None, "cost"):
        cost(clips[0])
        change(clips)
    if options.only in (None, "attacks"):
        survival(clips, options.seconds)


if __name__ == "__main__":
    main()
