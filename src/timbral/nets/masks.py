"""Masks of padded batches in stage two: float [batch, 1, time], one where a row has content."""

import torch
from torch import Tensor


def length_mask(lengths: Tensor, time: int) -> Tensor:
    """Mask [batch, 1, time] of rows with the given lengths [batch]."""
    columns = torch.arange(time, device=lengths.device)
    return (columns < lengths[:, None]).unsqueeze(1).float()
