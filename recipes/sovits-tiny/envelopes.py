"""Finds what stage two has to say: the spectral envelope of every frame, and how much of it is noise.

    python envelopes.py PACK SITE_PACKAGES    (resumes)

WORLD's CheapTrick and D4C (Morise 2015, 2016) take the harmonics out of the spectrum, which F0 puts in again,
so the envelope is smooth and a few points of it are enough. PACK gets them as rows, and the same of a warped
voice for each utterance: another length of the vocal tract, another pitch, another microphone. WORLD speaks
with it, so that its timbre can be heard.

Needs pyworld, which pip builds with a C++ compiler.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyworld
import soxr
import torch
from arrays import FRAMES_PER_TOKEN
from dataset import FRAMES, WARPED, Utterances
from rich.progress import track
from runs import generator
from teachers import WHISPER_RATE

from timbral.audio.mel_axis import mel_points, nearest
from timbral.nets.source_filter import SourceFilterConfig
from timbral.nets.timbre_encoder import SPEAKER, TimbreEncoder

SHAPE = SourceFilterConfig()
RATE = SHAPE.rate
SIZE = 1024
"""Of WORLD's spectra: at 24 kHz it finds harmonics from 71 Hz on."""
TRACT = 0.26
"""The vocal tract is up to so many octaves shorter or longer."""
PITCH, LOWEST, HIGHEST = 0.15, 85.0, 340.0
"""F0 goes with twice that; deviation from it in octaves, and the mean F0 in Hz that it stays within."""
COLOUR, WAVES = 2.0, 4
"""Deviation in dB of each of the cosines over the octaves that a microphone changes the spectrum by, and
their number.
"""
ODDS = 8.0
"""Largest log odds of noise."""
HISS = 1e-5
"""Level of the noise that fills digital silence."""
LOUDEST = 0.95
TOGETHER = 64
"""Utterances between two looks at how far it is."""


@dataclass(frozen=True)
class Found:
    """Of one utterance of T tokens: both `FRAMES`, float16 [4 T, 80], and the `WARPED` of it."""

    frames: tuple[np.ndarray, np.ndarray]
    warped: tuple[np.ndarray, np.ndarray, np.ndarray]


class Analysis:
    """WORLD and what hears a timbre, as each process has them."""

    def __init__(self, pack: Path, site_packages: Path) -> None:
        torch.set_num_threads(1)
        self.sounds = Utterances(pack, torch.device("cpu"))
        self.hertz = np.linspace(0, RATE / 2, SIZE // 2 + 1)
        self.to_points = [
            nearest(mel_points(count, RATE / 2), self.hertz).T
            for count in (SHAPE.envelope, SHAPE.aperiodicity)
        ]
        self.encoder = TimbreEncoder().eval()
        self.encoder.speaker.load_resemblyzer(site_packages / "resemblyzer/pretrained.pt")

    def __call__(self, number: int) -> Found:
        """Of the utterance of this number, which also decides how the voice is warped."""
        sounds = self.sounds
        here = slice(sounds.starts[number], sounds.starts[number] + sounds.lengths[number])
        audio, f0, voiced = (sounds.rows[name][here].numpy().ravel() for name in ("audio", "f0", "voiced"))
        rng = generator(number)
        samples = audio / 32768 + HISS * rng.standard_normal(len(audio))
        # Frames lie in the middle of their hops.
        times = (np.arange(len(f0)) + 0.5) * SHAPE.hop / RATE
        # Told pitch everywhere, D4C would find harmonics in silence here and there, and stage two would hum
        # there.
        pitch = np.where(voiced, f0, 0.0).astype(np.float64)
        power = pyworld.cheaptrick(samples, pitch, times, RATE, fft_size=SIZE)
        noise = pyworld.d4c(samples, pitch, times, RATE, fft_size=SIZE)
        tract = 2 ** rng.uniform(-TRACT, TRACT)
        mean = np.exp(np.log(f0[voiced]).mean()) if voiced.any() else np.sqrt(LOWEST * HIGHEST)
        shift = tract**2 * 2 ** rng.normal(0, PITCH)
        shift = np.clip(shift, LOWEST / mean, HIGHEST / mean)
        other = np.exp(self._warped(np.log(power + 1e-14), tract)) * self._colour(rng)
        roughness = self._warped(noise, tract)
        sound = pyworld.synthesize(pitch * shift, other, roughness, RATE, 1000 * SHAPE.hop / RATE)
        gain = min(1.0, LOUDEST / max(1e-6, np.abs(sound).max()))
        octaves = np.log2(shift)
        timbre = self._timbre(gain * sound[: len(audio)], np.log2(mean) + octaves)
        return Found(
            (self._points(power, noise), self._points(gain**2 * other, roughness)),
            (np.array([octaves]), timbre, timbre[:SPEAKER] / 16),
        )

    def _warped(self, spectra: np.ndarray, factor: float) -> np.ndarray:
        """Spectra [F, bins] with everything at so many times its frequency."""
        return np.stack([np.interp(self.hertz / factor, self.hertz, row) for row in spectra])

    def _colour(self, rng: np.random.Generator) -> np.ndarray:
        """A microphone's power response [bins]."""
        octaves = np.log2(np.maximum(self.hertz, 30) / 30)
        waves = np.pi * np.arange(1, WAVES + 1)[:, None] * octaves / octaves[-1]
        depth, phase = COLOUR * rng.standard_normal((WAVES, 1)), rng.uniform(0, 2 * np.pi, (WAVES, 1))
        return 10 ** ((depth * np.cos(waves + phase)).sum(0) / 10)

    def _points(self, power: np.ndarray, noise: np.ndarray) -> np.ndarray:
        envelope = 0.5 * np.log(np.maximum(power, 1e-12))
        share = np.square(noise.clip(1e-3, 1 - 1e-4))
        odds = (np.log(share) - np.log1p(-share)).clip(-ODDS, ODDS)
        both = (values @ matrix for values, matrix in zip((envelope, odds), self.to_points, strict=True))
        return np.concatenate(list(both), 1).astype(np.float16)

    def _timbre(self, sound: np.ndarray, pitch: float) -> np.ndarray:
        low = soxr.resample(sound.astype(np.float32), RATE, WHISPER_RATE)
        with torch.inference_mode():
            heard = self.encoder(torch.from_numpy(low)[None], torch.tensor([[pitch]], dtype=torch.float32))
        return heard[0].numpy()


class Rows:
    """Arrays in a folder, written here and there, which have their names once they are whole."""

    def __init__(self, folder: Path, shapes: dict[str, tuple[type, tuple[int, ...]]]) -> None:
        self.paths = {name: folder / f"{name}.npy" for name in shapes}
        self.parts = {name: path.with_suffix(".part") for name, path in self.paths.items()}
        self.arrays = {}
        for name, (kind, shape) in shapes.items():
            mode = "r+" if self.parts[name].exists() else "w+"
            self.arrays[name] = np.lib.format.open_memmap(self.parts[name], mode, kind, shape)

    def finish(self) -> None:
        for name, array in self.arrays.items():
            array.flush()
            self.parts[name].replace(self.paths[name])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path)
    parser.add_argument("site_packages", type=Path, help="where the teachers are installed")
    args = parser.parse_args()
    sounds = Utterances(args.pack, torch.device("cpu"))
    count, rows = len(sounds.metas), (len(sounds.rows["tokens"]), FRAMES_PER_TOKEN)
    size = SHAPE.envelope + SHAPE.aperiodicity
    if all((args.pack / f"{name}.npy").exists() for name in (*FRAMES, *WARPED)):
        raise SystemExit(f"{args.pack} has its envelopes")
    kept = Rows(
        args.pack,
        dict.fromkeys(FRAMES, (np.float16, (*rows, size)))
        | {
            name: (np.float32, (count, n)) for name, n in zip(WARPED, (1, SHAPE.timbre, SPEAKER), strict=True)
        },
    )
    # A timbre that was found has a pitch.
    missing = [i for i in range(count) if kept.arrays["warped_timbre"][i, -1] == 0]
    with ProcessPoolExecutor(initializer=_open, initargs=(args.pack, args.site_packages)) as pool:
        for first in track(range(0, len(missing), TOGETHER), "envelopes"):
            group = missing[first : first + TOGETHER]
            for i, found in zip(group, pool.map(_analyse, group), strict=True):
                here = slice(sounds.starts[i], sounds.starts[i] + sounds.lengths[i])
                for name, frames in zip(FRAMES, found.frames, strict=True):
                    kept.arrays[name][here] = frames.reshape(-1, FRAMES_PER_TOKEN, size)
                for name, vector in zip(WARPED, found.warped, strict=True):
                    kept.arrays[name][i] = vector
    kept.finish()


_analysis: Analysis
"""Of a process."""


def _open(pack: Path, site_packages: Path) -> None:
    global _analysis
    _analysis = Analysis(pack, site_packages)


def _analyse(number: int) -> Found:
    return _analysis(number)


if __name__ == "__main__":
    main()
