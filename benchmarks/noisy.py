#!/usr/bin/env python3
"""What taking noise out does to the likeness of prepared clips, on recordings into which noise of known level is mixed.

    python benchmarks/noisy.py SPEAKERS [--only NAME...]

SPEAKERS holds a folder of clean recordings for each speaker; the last one by name is what the others are compared with: the
cosine of the mean speaker embedding (GE2E, out of the embedded model) of the clips, each weighted by its length. Clips are
made as recorded, with noise taken out of all of them, and out of those alone that have some.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from timbral.audio import read
from timbral.audio.resampling import resample
from timbral.bundle import open_bundle
from timbral.data import Settings, prepare
from timbral.errors import DataError
from timbral.nets.tiny_timbre import SpeakerEncoder
from timbral.training.networks import restore_reference

RATE = 44_100
TREATMENTS = {
    "as recorded": Settings(transcriber="none"),
    "all denoised": Settings(transcriber="none", denoise=True, denoise_below=100.0),
    "denoised where noisy": Settings(transcriber="none", denoise=True),
}
Samples = NDArray[np.float32]


def white(count: int, chance: np.random.Generator) -> NDArray[np.float64]:
    return chance.standard_normal(count)


def pink(count: int, chance: np.random.Generator) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(chance.standard_normal(count))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20)), count)


def music(count: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """A chord every two seconds, a drum every half."""
    found, time = np.zeros(count), np.arange(count) / RATE
    for number, chord in enumerate(((220, 262, 330), (175, 220, 262), (262, 330, 392), (196, 247, 294)) * 99):
        at = 2 * number * RATE
        since = time[: max(0, min(2 * RATE, count - at))]
        tones = [(note * k, k**-1.3) for note in chord for k in range(1, 9)]
        found[at : at + len(since)] += sum(a * np.sin(2 * np.pi * f * since) for f, a in tones) * np.exp(
            -since
        )
    beat = np.exp(-15 * (time % 0.5))
    return found + beat * chance.standard_normal(count) + 2 * beat * np.sin(2 * np.pi * 60 * (time % 0.5))


NOISES: dict[str, tuple[Callable[[int, np.random.Generator], NDArray[np.float64]], float]] = {
    "none": (white, 99.0),
    "white noise, 8 dB": (white, 8.0),
    "pink noise, 10 dB": (pink, 10.0),
    "music, 5 dB": (music, 5.0),
    "music, 12 dB": (music, 12.0),
}


def embedding(path: Path, encoder: SpeakerEncoder) -> NDArray[np.float64]:
    """Who is heard in a recording, weighted by its length: [256]."""
    samples, rate = read(path)
    heard = torch.from_numpy(resample(samples, rate, 16_000))
    with torch.no_grad():
        found: NDArray[np.float64] = encoder(heard[None])[0].double().numpy() * len(heard)
    return found


def likeness(folder: Path, kept: NDArray[np.float64], encoder: SpeakerEncoder, settings: Settings) -> float:
    """Of the clips made of a folder to a recording; 0 where none can be used."""
    with tempfile.TemporaryDirectory() as work:
        try:
            lines = prepare([folder], work, settings).lines
        except DataError:
            return 0.0
        mean = np.sum([embedding(line.audio, encoder) for line in lines], axis=0)
    return float(mean @ kept / np.linalg.norm(mean) / np.linalg.norm(kept))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("speakers", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="names of speakers; all of them if left out")
    args = parser.parse_args()
    encoder = restore_reference(open_bundle(None)).timbre.speaker
    folders = [path for path in sorted(args.speakers.iterdir()) if not args.only or path.name in args.only]
    table = Table("mixed in", *TREATMENTS)
    for kind, (make, level) in NOISES.items():
        found: dict[str, list[float]] = {name: [] for name in TREATMENTS}
        for number, speaker in enumerate(folders):
            *recordings, kept = sorted(speaker.iterdir())
            with tempfile.TemporaryDirectory() as spoilt:
                chance = np.random.default_rng(number)
                for recording in recordings:
                    samples, rate = read(recording)
                    clean = resample(samples, rate, RATE)
                    noise = make(len(clean), chance)
                    share = np.sqrt(np.mean(clean**2) / np.mean(noise**2)) * 10 ** (-level / 20)
                    mixed = (0.3 * (clean + share * noise)).astype(np.float32)
                    soundfile.write(Path(spoilt) / f"{recording.stem}.wav", mixed, RATE)
                for name, settings in TREATMENTS.items():
                    heard = embedding(kept, encoder)
                    found[name].append(likeness(Path(spoilt), heard, encoder, settings))
        table.add_row(
            kind, *(f"{np.mean(values):.3f} (worst {min(values):.3f})" for values in found.values())
        )
    Console().print(table)


if __name__ == "__main__":
    main()
