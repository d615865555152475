"""The duration predictor of sovits-tiny (as in FastSpeech, Ren et al. 2019).

It sees the whole sentence at once, so its durations are more regular than those of an autoregressive stage
one of this size.
"""

import torch
from torch import Tensor, nn

from timbral.nets.convnext import FilmConvNextBlock


class DurationPredictor(nn.Module):
    """Phones [batch, n] and pace [batch, 2] → durations float [batch, n] in semantic tokens, above 0.

    The number `phonemes` is padding. Pace: logarithm of the factor on the usual durations, and the source of
    the training data, 0 or 1.
    """

    def __init__(self, phonemes: int, width: int = 160, layers: int = 5, kernel: int = 7) -> None:
        super().__init__()
        self.phonemes = phonemes
        self.table = nn.Embedding(phonemes + 1, width)
        self.blocks = nn.ModuleList(FilmConvNextBlock(width, kernel, 3, 2) for _ in range(layers))
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
