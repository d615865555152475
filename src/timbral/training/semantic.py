"""Training of stage one, an autoregressive transformer from phones to semantic tokens."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.optim import Optimizer

from timbral.errors import TrainingError
from timbral.nets.semantic import BERT_CHANNELS, SemanticTransformer
from timbral.training import regularizers
from timbral.training.adapters import add_low_rank, freeze
from timbral.training.batch_sampler import batches_by_length, split_held_out
from timbral.training.scaled_adam import ScaledAdam
from timbral.training.semantic_losses import corrupted_tokens, log_likelihood, preference_loss, top_k_error
from timbral.training.settings import SemanticSettings
from timbral.training.task import Batch, LossStep, Task

TOKEN_RATE = 25
_BUCKET = 2.0
"""Seconds."""
_VALIDATION_BATCH = 8
"""Batch size of the validation."""


@dataclass(frozen=True)
class SemanticExample:
    """A recording: phones int64 [P], tokens int64 [T], BERT features float [P, 1024], None for zeros."""

    phones: Tensor
    tokens: Tensor
    bert: Tensor | None = None

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.tokens) / TOKEN_RATE


class SemanticTask(Task):
    """Stage one and its training examples."""

    result = "semantic"
    means = False

    def __init__(
        self,
        network: SemanticTransformer,
        examples: Sequence[SemanticExample],
        settings: SemanticSettings,
        allowed: Container[str] | None = None,
    ) -> None:
        """network: modified in place. allowed: as in `add_low_rank`.

        Raises TrainingError: no usable example, or a pattern matches nothing.
        """
        self.network = network
        self.settings = settings
        usable = [example for example in examples if is_usable(example, settings)]
        if not usable:
            raise TrainingError(
                f"none of {len(examples)} recordings has a text that fits its length; check the list and its languages"
            )
        trained, held_out = split_held_out(len(usable), settings.held_out, settings.seed)
        self.examples = [usable[i] for i in trained]
        self.held_out = [usable[i] for i in held_out]
        self._prepare(allowed)
        self.networks = {self.result: network}
        self.optimizers = {self.result: _optimizer(network, settings)}

    def _prepare(self, allowed: Container[str] | None) -> None:
        network, settings = self.network, self.settings
        if settings.dropout is not None:
            regularizers.set_dropout(network, settings.dropout)
        layers = list(network.h.layers)
        if settings.stochastic_depth:
            regularizers.add_stochastic_depth(layers, settings.stochastic_depth)
        if settings.checkpointing:
            regularizers.add_checkpointing(layers)
        if settings.method == "lora":
            add_low_rank(network, settings.targets, settings.rank, settings.whole, allowed)
        else:
            freeze(network, settings.freeze)

    def updates(self, epoch: int, size: int) -> list[list[int]]:
        lengths = [example.seconds for example in self.examples]
        return batches_by_length(lengths, size, _BUCKET, self.settings.seed, epoch, self.settings.least)

    def collate(self, examples: Sequence[int]) -> Batch:
        return collate([self.examples[i] for i in examples], bert=self.network.config.bert)

    def loss_steps(self, batch: Batch) -> Iterator[LossStep]:
        tokens, lengths = batch["tokens"], batch["token_lengths"]
        inputs = tokens
        if self.settings.masking:
            inputs = regularizers.masked_tokens(
                tokens, lengths, self.settings.masking, self.settings.mask_span, self.network.config.eos
            )
        targets = self.network.targets(tokens, lengths)
        partner = None
        if self.settings.mixup:
            partner = torch.randperm(len(tokens), device=tokens.device)
            share = regularizers.mixup_share(self.settings.mixup)
            logits = self._mixed_logits(batch, inputs, partner, share)
        else:
            logits = self._logits(batch, inputs, lengths)
        chosen = log_likelihood(logits, targets, lengths)
        loss = -chosen.sum()
        if partner is not None:
            # Positions beyond the end of either row are padding of one of them.
            common = torch.minimum(lengths, lengths[partner]) - 1
            other = log_likelihood(logits, targets[partner], common)
            loss = share * loss - (1 - share) * other.sum()
        values = {
            "cross_entropy": -chosen.sum() / (lengths + 1).sum(),
            "wrong": top_k_error(logits.detach(), targets, lengths),
        }
        if self.settings.preference:
            corrupted, corrupted_lengths = corrupted_tokens(tokens, lengths)
            corrupted_logits = self._logits(batch, corrupted, corrupted_lengths)
            corrupted_targets = self.network.targets(corrupted, corrupted_lengths)
            rejected = log_likelihood(corrupted_logits, corrupted_targets, corrupted_lengths)
            values["preference"] = preference_loss(chosen, rejected, self.settings.preference)
            loss = loss + values["preference"]
        yield LossStep(self.result, loss, values)

    def validate(self) -> dict[str, float]:
        device = next(self.network.parameters()).device
        nats, wrong, count, tokens = 0.0, 0.0, 0, 0
        for start in range(0, len(self.held_out), _VALIDATION_BATCH):
            rows = self.held_out[start : start + _VALIDATION_BATCH]
            batch = {n: part.to(device) for n, part in collate(rows, bert=self.network.config.bert).items()}
            lengths = batch["token_lengths"]
            logits = self._logits(batch, batch["tokens"], lengths)
            targets = self.network.targets(batch["tokens"], lengths)
            nats -= float(log_likelihood(logits, targets, lengths).sum())
            count += int((lengths + 1).sum())
            wrong += float(top_k_error(logits, targets, lengths)) * int(lengths.sum())
            tokens += int(lengths.sum())
        return {"cross_entropy": nats / count, "wrong": wrong / tokens} if count else {}

    def _logits(self, batch: Batch, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self.network(  # type: ignore[no-any-return]
            batch["phones"], batch["phone_lengths"], tokens, lengths, batch.get("bert")
        )

    def _mixed_logits(self, batch: Batch, tokens: Tensor, partner: Tensor, share: float) -> Tensor:
        network = self.network
        embeddings: list[nn.Module] = [network.ar_text_embedding, network.ar_audio_embedding]
        if network.config.bert:
            embeddings.append(network.bert_proj)
        with regularizers.mixed_outputs(embeddings, partner, share):
            return self._logits(batch, tokens, batch["token_lengths"])


def is_usable(example: SemanticExample, settings: SemanticSettings) -> bool:
    """Whether length and phones per second of a recording are within the limits of the settings."""
    phones, seconds = len(example.phones), example.seconds
    return (
        len(example.tokens) > 0
        and settings.shortest <= seconds <= settings.longest
        and settings.fewest_phones <= phones / seconds <= settings.most_phones
    )


def collate(examples: Sequence[SemanticExample], *, bert: bool) -> dict[str, Tensor]:
    """A batch: phones [batch, P] padded on the left, tokens [batch, T] on the right, lengths, bert [batch,
    1024, P].
    """
    width = max(len(example.phones) for example in examples)
    phones = torch.zeros(len(examples), width, dtype=torch.long)
    for row, example in zip(phones, examples, strict=True):
        row[width - len(example.phones) :] = example.phones
    batch = {
        "phones": phones,
        "phone_lengths": torch.tensor([len(example.phones) for example in examples]),
        "tokens": pad_sequence([example.tokens for example in examples], batch_first=True),
        "token_lengths": torch.tensor([len(example.tokens) for example in examples]),
    }
    if bert:
        features = torch.zeros(len(examples), BERT_CHANNELS, width)
        for place, example in zip(features, examples, strict=True):
            if example.bert is not None:
                place[:, width - len(example.phones) :] = example.bert.T
        batch["bert"] = features
    return batch


def _optimizer(network: nn.Module, settings: SemanticSettings) -> Optimizer:
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if settings.optimizer == "scaled-adam":
        return ScaledAdam(weights, lr=1.0, betas=(0.9, 0.95), clipping_scale=2.0, clipping_period=1000)
    return torch.optim.AdamW(weights, lr=1.0, betas=(0.9, 0.95), weight_decay=0.01)
