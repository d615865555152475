"""The training data of stage two and the content encoder, written by pack.py: arrays with a row for each
token.

On a GPU all rows are in its memory; on a CPU they are memory-mapped, so a training starts within seconds.
"""

import json
from pathlib import Path

import numpy as np
import torch
from runs import is_held_out
from torch import Tensor

ROWS = ("tokens", "phones", "audio", "f0", "voiced")
"""For N tokens: int16 [N], int16 [N, 2] (phones of both halves), int16 [N, 960] at 24 kHz, F0 in Hz float32
[N, 4], interpolated over unvoiced frames, bool [N, 4].
"""
FRAMES = ("frames", "warped")
"""From envelopes.py: log magnitudes and log odds of noise, float16 [N, 4, 80], of the recording and of a
warped voice.
"""
SAMPLED = ("sampled", "sampled_phones")
"""From sampled_tokens.py: tokens sampled from stage one, int16 [N, G], and the phones aligned with them, [N,
G, 2].
"""
VECTORS = ("timbre", "degraded_timbre", "speaker")
"""For U utterances, float32: timbre [U, 417], timbre of a degraded recording [U, 417], GE2E embedding [U,
256].
"""
WARPED = ("warp", "warped_timbre", "warped_speaker")
"""With `FRAMES`: F0 shift in octaves [U, 1], timbre and embedding of the warped voice."""
MEMORY_SHARE = 0.6
"""Share of the free GPU memory for the rows."""


class Utterances:
    """The utterances of a packed folder: `lengths` in tokens, first rows (`starts`), training and validation
    sets (`train`, `valid`).
    """

    def __init__(self, folder: Path, device: torch.device, *more: str) -> None:
        """more: names of `FRAMES`, `SAMPLED` and `WARPED` to read."""
        self.device = device
        self.metas: list[dict] = json.loads((folder / "utterances.json").read_text())
        self.lengths = np.array([meta["tokens"] for meta in self.metas])
        self.starts = np.cumsum(self.lengths) - self.lengths
        missing = [name for name in more if not (folder / f"{name}.npy").exists()]
        if missing:
            raise SystemExit(
                f"{folder} has no {', '.join(missing)}: envelopes.py and sampled_tokens.py make them"
            )
        names = (*ROWS, *(name for name in more if name not in WARPED))
        # Copy on write, since torch takes writable arrays only.
        self.rows = {name: torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c")) for name in names}
        names = (*VECTORS, *(name for name in more if name in WARPED))
        self.vectors = {name: np.load(folder / f"{name}.npy") for name in names}
        size = sum(rows.nbytes for rows in self.rows.values())
        if device.type == "cuda" and size < MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]:
            self.rows = {name: rows.to(device) for name, rows in self.rows.items()}
        held_out = np.array([is_held_out(meta["id"]) for meta in self.metas])
        self.train, self.valid = np.flatnonzero(~held_out), np.flatnonzero(held_out)

    @property
    def hours(self) -> float:
        """Length of the training set."""
        return float(self.lengths[self.train].sum()) / 90_000

    def crops(self, chosen: np.ndarray, tokens: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """A random crop of each chosen utterance [batch]; a shorter utterance is repeated.

        Tokens int64 [batch, T], phones int64 [batch, T, 2], audio float [batch, 960 T], f0 and voiced float
        [batch, 4 T]; sampled as [batch, T, G] and [batch, T, G, 2], frames as float [batch, 4 T, 80].
        """
        lengths = self.lengths[chosen]
        first = rng.integers(0, np.maximum(1, lengths - tokens + 1))
        at = (first[:, None] + np.arange(tokens)) % lengths[:, None] + self.starts[chosen][:, None]
        index = torch.from_numpy(at).to(self.rows["tokens"].device)
        found = {name: rows[index].to(self.device, non_blocking=True) for name, rows in self.rows.items()}
        return {
            **{name: rows.long() for name, rows in found.items() if name in ("tokens", "phones", *SAMPLED)},
            "audio": found["audio"].flatten(1).float() / 32768,
            "f0": found["f0"].flatten(1),
            "voiced": found["voiced"].flatten(1).float(),
            **{name: rows.flatten(1, 2).float() for name, rows in found.items() if name in FRAMES},
        }

    def vector(self, name: str, chosen: np.ndarray) -> Tensor:
        """One of `VECTORS` of the chosen utterances, [batch, size]."""
        return torch.from_numpy(self.vectors[name][chosen]).to(self.device)
