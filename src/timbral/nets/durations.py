"""How long each phone of a sentence is spoken: the duration predictor of the embedded family.

Stage one of a few million weights knows what to say better than when: its takes hurry over one phone and dwell on another. A
network that sees the whole sentence at once, and answers with one number a phone, is far surer of that (FastSpeech, Ren et al.
2019). Blocks are those of the light stage two, with the pace in place of the timbre.
"""

import torch
from torch import Tensor, nn

from timbral.nets.source_filter import Block


class DurationPredictor(nn.Module):
    """Phones [batch, n] and pace [batch, 2] → durations float [batch, n] in semantic tokens, above 0.

    The number `phonemes` pads shorter rows. Pace: the logarithm of how much slower than usual it is spoken, and whose
    durations these are, 0 or 1, where there are two sources to learn from.
    """

    def __init__(self, phonemes: int, width: int = 160, layers: int = 5, kernel: int = 7) -> None:
        super().__init__()
        self.phonemes = phonemes
        self.table = nn.Embedding(phonemes + 1, width)
        self.blocks = nn.ModuleList(Block(width, kernel, 3, 2) for _ in range(layers))
        self.dropout = nn.Dropout(0.1)
        self.last = nn.Linear(width, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.constant_(self.last.bias, 0.5)

    def forward(self, phones: Tensor, pace: Tensor) -> Tensor:
        spoken = (phones < self.phonemes)[:, None].float()
        x = self.dropout(self.table(phones)).transpose(1, 2)
        for block in self.blocks:
            x = block(x * spoken, pace)
        return torch.exp(self.last(x.transpose(1, 2))[..., 0])
