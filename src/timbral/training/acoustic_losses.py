"""The losses of stage two, as GPT-SoVITS weighs them; those of VITS (Kim et al. 2021) and HiFi-GAN (Kong et al. 2020)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from timbral.nets.discriminators import Judgement


def divergence(
    latent: Tensor,
    posterior_log: Tensor,
    prior_mean: Tensor,
    prior_log: Tensor,
    mask: Tensor,
    levels: int = 1,
) -> Tensor:
    """How far what a recording says of the latent is from what its tokens and phones say: nats a frame.

    The Kullback-Leibler divergence, estimated at one draw of the posterior: latent, in the prior's space, the logarithm of the
    posterior's deviation, and mean and logarithm of the deviation of the prior, [batch, channels, frames]; mask
    [batch, 1, frames].
    levels: groups of channels; those that differ more weigh more, so that none is given up (Vahdat and Kautz 2020, NVAE).
    """
    scaled = (latent.float() - prior_mean.float()).square() * torch.exp(-2 * prior_log.float())
    nats = (prior_log.float() - posterior_log.float() - 0.5 + 0.5 * scaled) * mask
    each = torch.stack([level.sum() for level in nats.chunk(levels, dim=1)]) / mask.sum()
    if levels == 1:
        return each.sum()
    size = each.detach().abs()
    return (each * size / size.mean().clamp(min=1e-8)).sum()


def discriminator_loss(recorded: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """Least squares: discriminators are to say 1 of recordings and 0 of what was made (Mao et al. 2017)."""
    parts = [
        (1 - true.float()).square().mean() + false.float().square().mean()
        for (true, _), (false, _) in zip(recorded, made, strict=True)
    ]
    return torch.stack(parts).sum()


def adversarial_loss(made: Sequence[Judgement]) -> Tensor:
    """Least squares: what was made is to be taken for recordings."""
    return torch.stack([(1 - score.float()).square().mean() for score, _ in made]).sum()


def feature_loss(recorded: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """Twice the mean difference of what discriminators see in both, over all their layers."""
    parts = [
        (true.float().detach() - false.float()).abs().mean()
        for (_, seen), (_, other) in zip(recorded, made, strict=True)
        for true, false in zip(seen, other, strict=True)
    ]
    return 2 * torch.stack(parts).sum()


def slices(x: Tensor, starts: Tensor, length: int) -> Tensor:
    """From each row of x [batch, channels, n] the part [batch, channels, length] that begins at `starts` [batch]."""
    places = starts[:, None] + torch.arange(length, device=x.device)
    return x.gather(2, places[:, None].expand(-1, x.shape[1], -1))
