"""Base of the tasks for stage two of the official families: examples, batches and optimizers."""

from collections.abc import Container, Sequence
from typing import Any

from torch import nn
from torch.optim import AdamW

from timbral.errors import TrainingError
from timbral.nets.spectrogram import TIMBRE
from timbral.training import regularizers
from timbral.training.acoustic_examples import AcousticExample, collate
from timbral.training.adapters import add_low_rank, freeze
from timbral.training.batch_sampler import batches_by_length, split_held_out
from timbral.training.settings import AcousticSettings
from timbral.training.task import Batch, Task

GENERATOR = "acoustic"
_BUCKET = 2.0
"""Seconds."""
_TEXT_ENCODER = ("enc_p.text_embedding.", "enc_p.encoder_text.", "enc_p.mrte.")
"""Prefixes of the weights that are trained at a lower rate."""


class AcousticTask(Task):
    """Stage two with `examples` to train on, and `held_out` ones."""

    result = GENERATOR

    def __init__(self, examples: Sequence[AcousticExample], settings: AcousticSettings) -> None:
        """Raises TrainingError: no example is left."""
        self.settings = settings
        self.examples, self.held_out = _split(examples, settings)

    def updates(self, epoch: int, size: int) -> list[list[int]]:
        lengths = [example.seconds for example in self.examples]
        return batches_by_length(lengths, size, _BUCKET, self.settings.seed, epoch, self.settings.least)

    def collate(self, examples: Sequence[int]) -> Batch:
        return collate([self.examples[i] for i in examples])


def _split(
    examples: Sequence[AcousticExample], settings: AcousticSettings
) -> tuple[list[AcousticExample], list[AcousticExample]]:
    """Training and held-out examples of usable length."""
    least = max(settings.shortest, settings.segment / TIMBRE.rate)
    found = [example for example in examples if least <= example.seconds <= settings.longest]
    if not found:
        raise TrainingError(
            f"none of {len(examples)} recordings lasts between {least:.2f} and {settings.longest:g} s; cut them anew"
        )
    trained, held_out = split_held_out(len(found), settings.held_out, settings.seed)
    return [found[i] for i in trained], [found[i] for i in held_out]


def select_trainable(
    network: nn.Module,
    settings: AcousticSettings,
    whole: Sequence[str] = (),
    allowed: Container[str] | None = None,
) -> None:
    """Sets dropout, and makes trainable what the settings say; whole, allowed: as in `add_low_rank`."""
    if settings.dropout is not None:
        regularizers.set_dropout(network, settings.dropout)
    if settings.method == "lora":
        add_low_rank(network, settings.targets, settings.rank, (*settings.whole, *whole), allowed)
    else:
        freeze(network, settings.freeze)


def generator_optimizer(network: nn.Module, settings: AcousticSettings) -> AdamW:
    """AdamW, with a lower rate for the text encoder."""
    trained = [(name, weight) for name, weight in network.named_parameters() if weight.requires_grad]
    text = [weight for name, weight in trained if name.startswith(_TEXT_ENCODER)]
    others = [weight for name, weight in trained if not name.startswith(_TEXT_ENCODER)]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": text, "lr": settings.text_rate}]
    return adam([group for group in groups if group["params"]], settings)


def adam(groups: list[dict[str, Any]], settings: AcousticSettings) -> AdamW:
    """AdamW; the `lr` of a group is a factor on the scheduled rate."""
    return AdamW(groups, lr=1.0, betas=settings.betas, eps=settings.eps)
