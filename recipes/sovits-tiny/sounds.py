"""What stage two and the content encoder learn from, as one row for each token: on a GPU all of it lies in the GPU's memory.

pack.py writes it. On a CPU the rows are mapped into memory and read when they are drawn, so a training starts within seconds.
"""

import json
from pathlib import Path

import numpy as np
import torch
from runs import is_held_out
from torch import Tensor

ROWS = ("tokens", "phones", "audio", "f0", "voiced")
"""Of the N tokens: int16 [N], int16 [N, 2] (the phones that the halves of a token speak), int16 [N, 960] at 24 kHz, F0 in Hz
float32 [N, 4], carried over unvoiced stretches, and whether a frame is voiced, bool [N, 4]."""
FRAMES = ("frames", "warped")
"""From envelopes.py: log magnitudes and log odds of noise, float16 [N, 4, 80], of the recording and of a warped voice."""
GUESSES = ("guesses", "misled")
"""From guesses.py: tokens that stage one would draw, int16 [N, G], and the phones that are heard in them, [N, G, 2]."""
VECTORS = ("timbre", "heard", "speaker")
"""Of the utterances, float32: timbre [U, 417], timbre in a worse recording [U, 417], GE2E embedding [U, 256]."""
WARPED = ("warp", "warped_timbre", "warped_speaker")
"""With `FRAMES`: how much higher in octaves the warped voice is [U, 1], its timbre and its embedding."""
ROOM = 0.6
"""Share of the GPU's free memory that the rows may take."""


class Sounds:
    """The utterances of a packed folder: `lengths` in tokens and first rows (`starts`), and what to train on (`train`)."""

    def __init__(self, folder: Path, device: torch.device, *more: str) -> None:
        """more: of `FRAMES`, `GUESSES` and `WARPED`, what is read beside the rest."""
        self.device = device
        self.metas: list[dict] = json.loads((folder / "utterances.json").read_text())
        self.lengths = np.array([meta["tokens"] for meta in self.metas])
        self.starts = np.cumsum(self.lengths) - self.lengths
        missing = [name for name in more if not (folder / f"{name}.npy").exists()]
        if missing:
            raise SystemExit(f"{folder} has no {', '.join(missing)}: envelopes.py and guesses.py make them")
        names = (*ROWS, *(name for name in more if name not in WARPED))
        # Copy on write, since torch takes no array that cannot be written to; nothing writes.
        self.rows = {name: torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c")) for name in names}
        names = (*VECTORS, *(name for name in more if name in WARPED))
        self.vectors = {name: np.load(folder / f"{name}.npy") for name in names}
        size = sum(rows.nbytes for rows in self.rows.values())
        if device.type == "cuda" and size < ROOM * torch.cuda.mem_get_info(device)[0]:
            self.rows = {name: rows.to(device) for name, rows in self.rows.items()}
        held_out = np.array([is_held_out(meta["id"]) for meta in self.metas])
        self.train, self.valid = np.flatnonzero(~held_out), np.flatnonzero(held_out)

    @property
    def hours(self) -> float:
        """Of the utterances that are trained on."""
        return float(self.lengths[self.train].sum()) / 90_000

    def crops(self, chosen: np.ndarray, tokens: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """A random part of each chosen utterance [batch], so many tokens long; a shorter utterance begins anew.

        Tokens int64 [batch, T], phones int64 [batch, T, 2], audio float [batch, 960 T], f0 and voiced float [batch, 4 T];
        of the others guesses as [batch, T, G] and [batch, T, G, 2], and frames as float [batch, 4 T, 80].
        """
        lengths = self.lengths[chosen]
        first = rng.integers(0, np.maximum(1, lengths - tokens + 1))
        at = (first[:, None] + np.arange(tokens)) % lengths[:, None] + self.starts[chosen][:, None]
        index = torch.from_numpy(at).to(self.rows["tokens"].device)
        found = {name: rows[index].to(self.device, non_blocking=True) for name, rows in self.rows.items()}
        return {
            **{name: rows.long() for name, rows in found.items() if name in ("tokens", "phones", *GUESSES)},
            "audio": found["audio"].flatten(1).float() / 32768,
            "f0": found["f0"].flatten(1),
            "voiced": found["voiced"].flatten(1).float(),
            **{name: rows.flatten(1, 2).float() for name, rows in found.items() if name in FRAMES},
        }

    def vector(self, name: str, chosen: np.ndarray) -> Tensor:
        """One of `VECTORS` of the chosen utterances, [batch, size]."""
        return torch.from_numpy(self.vectors[name][chosen]).to(self.device)
