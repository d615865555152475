"""Distillation of the duration model of the embedded family."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from timbral.compression.distillation.embedded_teacher import Spoken
from timbral.compression.distillation.task import DistillationTask
from timbral.nets.durations import DurationPredictor
from timbral.training.task import Batch

_SHORTEST = 0.35
"""Tokens: shorter durations are compared as this one."""
_BETA, _TOTAL = 0.3, 0.3
"""Where the error becomes linear, and the weight of the error of a whole utterance."""


class DurationDistillation(DistillationTask[DurationPredictor]):
    """The duration model of a student, and how long the phones of its teacher were. The pace is the teacher's."""

    bucket = 10.0

    def __init__(self, student: DurationPredictor, spoken: Sequence[Spoken], updates: int, seed: int) -> None:
        held_out = len(spoken) // 20
        self.held_out, self.examples = spoken[:held_out], spoken[held_out:]
        super().__init__(student, [float(len(one.phones)) for one in self.examples], updates, seed)

    def collate(self, examples: Sequence[int]) -> Batch:
        return self._batch([self.examples[number] for number in examples])

    def _batch(self, chosen: Sequence[Spoken]) -> Batch:
        padding = self.network.phonemes
        phones = pad_sequence([one.phones for one in chosen], batch_first=True, padding_value=padding)
        durations = pad_sequence(
            [one.durations.float() for one in chosen], batch_first=True, padding_value=1.0
        )
        return {"phones": phones, "durations": durations}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        phones, durations = batch["phones"], batch["durations"].clamp_min(_SHORTEST)
        spoken = (phones < self.network.phonemes).float()
        predicted = self.network(phones, phones.new_zeros(len(phones), 2, dtype=torch.float32)).float()
        each = F.smooth_l1_loss(predicted.log(), durations.log(), reduction="none", beta=_BETA)
        whole = ((predicted * spoken).sum(1) / (durations * spoken).sum(1)).log().abs().mean()
        error = (each * spoken).sum() / spoken.sum()
        return error + _TOTAL * whole, {"each": error, "whole": whole}

    def validate(self) -> dict[str, float]:
        return self.measured(self._batch(self.held_out)) if self.held_out else {}
