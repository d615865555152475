"""The losses of stage one: what the tokens should be, and that they are liked better than tokens with a stutter or a gap."""

import torch
from torch import Tensor
from torch.nn import functional


def log_likelihood(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """Logarithm of the probability [batch] of each row's tokens and of the end after them.

    logits [batch, T + 1, vocabulary], targets [batch, T + 1] as `SemanticTransformer` gives them; lengths [batch]: tokens of
    a row. What stands in the padding does not count; officially it does.
    """
    chosen = -functional.cross_entropy(logits.transpose(1, 2).float(), targets, reduction="none")
    columns = torch.arange(targets.shape[1], device=targets.device)
    return (chosen * (columns <= lengths[:, None])).sum(1)


def preference_loss(liked: Tensor, disliked: Tensor, beta: float) -> Tensor:
    """How much worse than likely it is that `liked` is chosen, the mean over a batch; log-likelihoods [batch].

    Direct preference optimisation (Rafailov et al. 2023) without a network of reference, as the official code has it.
    """
    return -functional.logsigmoid(beta * (liked - disliked)).mean()


def worsened(tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens [batch, T] with a random span of each row said twice or left out, padded on the right; and their lengths."""
    rows = []
    for row, length in zip(tokens, lengths.tolist(), strict=True):
        first, last = sorted(torch.randint(0, length, (2,)).tolist())
        twice = bool(torch.randint(0, 2, ()))
        middle = [row[first:last]] * (2 if twice else 0)
        rows.append(torch.cat([row[:first], *middle, row[last:length]]))
    counts = torch.tensor([len(row) for row in rows], device=lengths.device)
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), counts


def wrong_share(logits: Tensor, targets: Tensor, lengths: Tensor, offered: int = 3) -> Tensor:
    """Share of the tokens that are not among the `offered` likeliest; arguments as of `log_likelihood`, ends left out."""
    columns = torch.arange(targets.shape[1], device=targets.device)
    counted = columns < lengths[:, None]
    found = (logits.topk(offered, dim=2).indices == targets[:, :, None]).any(2)
    return 1 - (found & counted).sum() / counted.sum()
