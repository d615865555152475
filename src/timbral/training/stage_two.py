"""What training stage two of the official families shares, be it of sound or of mels: examples, their order, the optimiser."""

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import AdamW

from timbral.errors import TrainingError
from timbral.nets.spectrogram import TIMBRE
from timbral.training.acoustic_examples import AcousticExample, collate
from timbral.training.order import bucketed, held_out
from timbral.training.settings import AcousticSettings
from timbral.training.task import Batch, Task

GENERATOR = "acoustic"
_BUCKET = 2.0
"""Seconds."""
_READING = ("enc_p.text_embedding.", "enc_p.encoder_text.", "enc_p.mrte.")
"""Beginnings of the names of what reads phones, and learns more slowly."""


class StageTwoTask(Task):
    """Recordings that stage two is trained on: `examples`, and those held out, `kept`."""

    result = GENERATOR

    def __init__(self, examples: Sequence[AcousticExample], settings: AcousticSettings) -> None:
        """Raises TrainingError: no example is left."""
        self.settings = settings
        self.examples, self.kept = _usable(examples, settings)

    def updates(self, epoch: int, size: int) -> list[list[int]]:
        lengths = [example.seconds for example in self.examples]
        return bucketed(lengths, size, _BUCKET, self.settings.seed, epoch, self.settings.least)

    def collate(self, examples: Sequence[int]) -> Batch:
        return collate([self.examples[i] for i in examples])


def _usable(
    examples: Sequence[AcousticExample], settings: AcousticSettings
) -> tuple[list[AcousticExample], list[AcousticExample]]:
    """Those that are not too short or long: to train on, and held out."""
    least = max(settings.shortest, settings.segment / TIMBRE.rate)
    found = [example for example in examples if least <= example.seconds <= settings.longest]
    if not found:
        raise TrainingError(
            f"none of {len(examples)} recordings lasts between {least:.2f} and {settings.longest:g} s; cut them anew"
        )
    trained, kept = held_out(len(found), settings.held_out, settings.seed)
    return [found[i] for i in trained], [found[i] for i in kept]


def generator_optimizer(network: nn.Module, settings: AcousticSettings) -> AdamW:
    """AdamW, with the official lower rate for what reads phones."""
    trained = [(name, weight) for name, weight in network.named_parameters() if weight.requires_grad]
    reading = [weight for name, weight in trained if name.startswith(_READING)]
    others = [weight for name, weight in trained if not name.startswith(_READING)]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": reading, "lr": settings.text_rate}]
    return adam([group for group in groups if group["params"]], settings)


def adam(groups: list[dict[str, Any]], settings: AcousticSettings) -> AdamW:
    """AdamW as the settings say; the rate of a group is a share of the scheduled one."""
    return AdamW(groups, lr=1.0, betas=settings.betas, eps=settings.eps)
