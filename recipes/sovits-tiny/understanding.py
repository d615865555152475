"""What stage two loses when nobody understands it: it speaks tokens that stage one drew, and a recogniser listens.

Of tokens that were drawn there is no recording. But it is known what they should say, and stage two is told; so it can learn to
say that, where the tokens blur it. The recogniser is that of align.py, and hears with Whisper's encoder.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from align import BLANK, Recogniser
from rated import read_rated
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.engine.listener import Listener

FEWEST, MOST = 16, 80
"""Tokens of a take that is spoken."""
NEAR = 64
"""Takes among which those of a batch are drawn, of like length."""


@dataclass(frozen=True)
class Drawn:
    """Tokens [batch, T] and the phones [batch, T, 2] that they speak, how many are real, the phones [n] that each should say."""

    tokens: Tensor
    spoken: Tensor
    lengths: list[int]
    phones: list[np.ndarray]

    @property
    def real(self) -> Tensor:
        """Which of the tokens are no padding, [batch, T]."""
        place = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        return place < torch.tensor(self.lengths, device=self.tokens.device)[:, None]


class Takes:
    """All takes of a folder that ended, shorter ones first."""

    def __init__(self, folder: Path, listener: Path, device: torch.device) -> None:
        self.listener, self.device = Listener.open(listener), device
        found = [(phones, take) for phones, takes, _ in read_rated(folder) for take in takes]
        # CTC needs a frame for each phone, and there are two in a token.
        found = [(p, t) for p, t in found if FEWEST <= len(t) <= MOST and 1.8 * len(t) > len(p)]
        self.takes = sorted(found, key=lambda pair: len(pair[1]))

    def draw(self, rng: np.random.Generator, size: int) -> Drawn:
        """So many takes of like length; behind each its last token is repeated."""
        first = int(rng.integers(max(1, len(self.takes) - NEAR)))
        some = self.takes[first : first + NEAR]
        chosen = [some[int(i)] for i in rng.integers(0, len(some), size)]
        return Drawn(
            tokens=self._filled([take for _, take in chosen]),
            spoken=self._filled([self.listener.spoken(phones, take) for phones, take in chosen]),
            lengths=[len(take) for _, take in chosen],
            phones=[phones for phones, _ in chosen],
        )

    def _filled(self, rows: list[np.ndarray]) -> Tensor:
        longest = max(map(len, rows))
        filled = [np.concatenate([row, np.repeat(row[-1:], longest - len(row), 0)]) for row in rows]
        return torch.from_numpy(np.stack(filled)).long().to(self.device)


class Understanding(nn.Module):
    """How unlikely the phones [n] of each sound are, in nats a phone [batch]; 0 for a sound that is too short to say them."""

    def __init__(self, recogniser: Path) -> None:
        super().__init__()
        self.recogniser = Recogniser().eval().requires_grad_(False)
        self.recogniser.load_state_dict(torch.load(recogniser, map_location="cpu", weights_only=True))

    def forward(self, content: Tensor, lengths: list[int], phones: list[np.ndarray]) -> Tensor:
        """content: features [batch, T, 512] of sounds that are so many tokens long."""
        # Each by itself: what lies behind a shorter one would be heard in its last tokens.
        rows = [self.recogniser(row[None, :n])[0] for row, n in zip(content, lengths, strict=True)]
        counts = torch.tensor([len(p) for p in phones])
        lost = F.ctc_loss(
            nn.utils.rnn.pad_sequence(rows).cpu(),
            torch.from_numpy(np.concatenate(phones)).long(),
            2 * torch.tensor(lengths),
            counts,
            blank=BLANK,
            reduction="none",
            zero_infinity=True,
        )
        return (lost / counts).to(content.device)
