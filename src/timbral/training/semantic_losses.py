"""Losses of stage one: log-likelihood of tokens, and preference over corrupted tokens (DPO)."""

import torch
from torch import Tensor
from torch.nn import functional


def log_likelihood(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """Log-likelihood [batch] of the tokens of each row and the end token.

    logits [batch, T + 1, vocabulary], targets [batch, T + 1] from `SemanticTransformer`; lengths [batch]:
    tokens of a row. Padding does not count; in the official code it does.
    """
    each = -functional.cross_entropy(logits.transpose(1, 2).float(), targets, reduction="none")
    columns = torch.arange(targets.shape[1], device=targets.device)
    return (each * (columns <= lengths[:, None])).sum(1)


def preference_loss(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """Direct preference optimization (Rafailov et al. 2023) without a reference model, as in the official
    code.

    chosen, rejected: log-likelihoods [batch]. Returns the mean loss.
    """
    return -functional.logsigmoid(beta * (chosen - rejected)).mean()


def corrupted_tokens(tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens [batch, T] with a random span of each row repeated or removed, padded on the right, and their
    lengths.
    """
    rows = []
    for row, length in zip(tokens, lengths.tolist(), strict=True):
        first, last = sorted(torch.randint(0, length, (2,)).tolist())
        twice = bool(torch.randint(0, 2, ()))
        middle = [row[first:last]] * (2 if twice else 0)
        rows.append(torch.cat([row[:first], *middle, row[last:length]]))
    counts = torch.tensor([len(row) for row in rows], device=lengths.device)
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), counts


def top_k_error(logits: Tensor, targets: Tensor, lengths: Tensor, k: int = 3) -> Tensor:
    """Share of the tokens that are not among the k likeliest, without end tokens; arguments as for
    `log_likelihood`.
    """
    columns = torch.arange(targets.shape[1], device=targets.device)
    counted = columns < lengths[:, None]
    found = (logits.topk(k, dim=2).indices == targets[:, :, None]).any(2)
    return 1 - (found & counted).sum() / counted.sum()
