"""Distillation of stage one: logits, hidden states and attention of a teacher that is held fixed.

The Kullback-Leibler divergence of softened logits is that of Hinton et al. 2015; hidden states go through a
learned projection (FitNets, Romero et al. 2015), and attention of tokens to phones, of which the heads are
averaged, since their numbers differ.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.compression.distillation.task import DistillationTask
from timbral.compression.distillation.token_merging import TokenMerging
from timbral.nets.semantic import SemanticTransformer
from timbral.training.semantic import SemanticExample, collate
from timbral.training.task import Batch

_HELD_OUT = 32


@dataclass(frozen=True)
class SemanticWeights:
    """Weights of the losses, and the temperature of the logits.

    spoken: of the cross entropy of the tokens that were spoken.
    """

    temperature: float = 1.5
    logits: float = 1.0
    spoken: float = 0.3
    features: float = 1.0
    attention: float = 1.0


class SemanticStudent(nn.Module):
    """Stage one of a student, and projections of its layers to the width of the teacher's."""

    def __init__(self, network: SemanticTransformer, teacher: SemanticTransformer) -> None:
        super().__init__()
        self.network = network
        width, layers = teacher.config.hidden, network.config.layers
        self.projections = nn.ModuleList(
            nn.Linear(network.config.hidden, width, bias=False) for _ in range(layers)
        )
        for projection in self.projections:
            nn.init.eye_(projection.get_parameter("weight"))

    def like(self, teacher: SemanticTransformer) -> tuple[int, ...]:
        """The layer of the teacher that each layer should be like: evenly spaced, the last one the last."""
        own, others = self.network.config.layers, teacher.config.layers
        return tuple(round((layer + 1) * others / own) - 1 for layer in range(own))


class SemanticDistillation(DistillationTask[SemanticStudent]):
    """Stage one of a student, and its teacher."""

    bucket = 20.0

    def __init__(
        self,
        student: SemanticStudent,
        teacher: SemanticTransformer,
        examples: Sequence[SemanticExample],
        merging: TokenMerging,
        weights: SemanticWeights,
        updates: int,
        seed: int,
    ) -> None:
        held_out = min(_HELD_OUT, len(examples) // 8)
        self.held_out, self.examples = examples[:held_out], examples[held_out:]
        self.teacher, self.merging, self.weights = teacher.eval().requires_grad_(False), merging, weights
        super().__init__(student, [float(len(one.tokens)) for one in self.examples], updates, seed)
        self._pairs = dict(enumerate(student.like(teacher)))

    def collate(self, examples: Sequence[int]) -> Batch:
        return collate([self.examples[number] for number in examples], bert=self.teacher.config.bert)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        weights = self.weights
        values = self._errors(batch)
        loss = weights.logits * values["divergence"] + weights.spoken * values["cross_entropy"]
        if weights.features:
            loss = loss + weights.features * values["features"]
        if weights.attention:
            loss = loss + weights.attention * values["attention"]
        return loss, values

    def _errors(self, batch: Batch) -> dict[str, Tensor]:
        weights, lengths = self.weights, batch["token_lengths"]
        student = self.network.network
        merged = {**batch, "tokens": self.merging.groups.to(lengths.device)[batch["tokens"]]}
        self.teacher.to(lengths.device)
        last = (max(self._pairs), self._pairs[max(self._pairs)])
        with torch.no_grad(), _hidden_states(self.teacher) as wanted:
            taught, attended = _run(self.teacher, batch, last[1] if weights.attention else None)
        with _hidden_states(student) as states:
            logits, own = _run(student, merged, last[0] if weights.attention else None)
        columns = torch.arange(logits.shape[1], device=lengths.device)
        counts = (columns <= lengths[:, None]).float()
        probabilities = self.merging.probabilities(F.softmax(taught.float() / weights.temperature, -1))
        found = F.log_softmax(logits.float() / weights.temperature, -1)
        divergence = (probabilities * (probabilities.clamp_min(1e-9).log() - found)).sum(-1)
        targets = student.targets(merged["tokens"], lengths)
        spoken = F.cross_entropy(logits.float().transpose(1, 2), targets, reduction="none")
        values = {
            "divergence": weights.temperature**2 * (divergence * counts).sum() / counts.sum(),
            "cross_entropy": (spoken * counts).sum() / counts.sum(),
        }
        if weights.features:
            positions = _positions(batch)
            values["features"] = self._feature_error(states, wanted, positions)
        if weights.attention:
            values["attention"] = _attention_error(own[last[0]], attended[last[1]], lengths)
        return values

    def _feature_error(self, states: dict[int, Tensor], wanted: dict[int, Tensor], counts: Tensor) -> Tensor:
        """Mean square of the difference relative to the teacher's variance, over all layers of the student."""
        errors = []
        for own, other in self._pairs.items():
            target = wanted[other].float()
            difference = self.network.projections[own](states[own]).float() - target
            errors.append((difference.square().mean(-1) * counts).sum() / (target.var(-1) * counts).sum())
        return torch.stack(errors).mean()

    def validate(self) -> dict[str, float]:
        sums: dict[str, float] = {}
        batches = [self.held_out[i : i + 8] for i in range(0, len(self.held_out), 8)]
        for rows in batches:
            measured = self.measured(collate(rows, bert=self.teacher.config.bert))
            for name, value in measured.items():
                sums[name] = sums.get(name, 0.0) + value * len(rows) / len(self.held_out)
        return sums


def _run(network: SemanticTransformer, batch: Batch, layer: int | None) -> tuple[Tensor, dict[int, Tensor]]:
    return network.forward_with_attention(
        batch["phones"],
        batch["phone_lengths"],
        batch["tokens"],
        batch["token_lengths"],
        batch.get("bert"),
        layers=() if layer is None else (layer,),
    )


@contextmanager
def _hidden_states(network: SemanticTransformer) -> Iterator[dict[int, Tensor]]:
    """Outputs of all layers [batch, P + T, hidden] of what is run inside the block."""
    states: dict[int, Tensor] = {}

    def keep(number: int):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
            states[number] = output[0]

        return hook

    handles = [layer.register_forward_hook(keep(n)) for n, layer in enumerate(network.h.layers)]
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()


def _positions(batch: Batch) -> Tensor:
    """Which columns of phones and tokens hold any, float [batch, P + T]."""
    width, columns = batch["phones"].shape[1], batch["tokens"].shape[1]
    device = batch["phones"].device
    left = width - batch["phone_lengths"][:, None]
    phones = torch.arange(width, device=device) >= left
    tokens = torch.arange(columns, device=device) < batch["token_lengths"][:, None]
    return torch.cat([phones, tokens], 1).float()


def _attention_error(own: Tensor, wanted: Tensor, lengths: Tensor) -> Tensor:
    """L1 of the attention of tokens to phones, mean over tokens; heads are averaged."""
    difference = (own.mean(1) - wanted.mean(1)).abs().sum(-1)
    counts = (torch.arange(difference.shape[1], device=lengths.device) < lengths[:, None]).float()
    return (difference * counts).sum() / counts.sum().clamp_min(1)
