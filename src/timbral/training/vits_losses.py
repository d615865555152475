"""Losses of VITS (Kim et al. 2021) and HiFi-GAN (Kong et al. 2020) for stage two."""

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
    """Kullback-Leibler divergence of posterior and prior in nats per frame, estimated from one posterior
    sample.

    latent: the sample in the space of the prior; posterior_log, prior_log: logarithms of standard deviations;
    prior_mean: mean; all [batch, channels, frames]. mask [batch, 1, frames]. levels: groups of channels,
    weighted by their divergence so that none collapses (NVAE, Vahdat and Kautz 2020).
    """
    scaled = (latent.float() - prior_mean.float()).square() * torch.exp(-2 * prior_log.float())
    nats = (prior_log.float() - posterior_log.float() - 0.5 + 0.5 * scaled) * mask
    each = torch.stack([level.sum() for level in nats.chunk(levels, dim=1)]) / mask.sum()
    if levels == 1:
        return each.sum()
    size = each.detach().abs()
    return (each * size / size.mean().clamp(min=1e-8)).sum()


def discriminator_loss(recorded: Sequence[Judgement], generated: Sequence[Judgement]) -> Tensor:
    """Least-squares loss of the discriminators: 1 for recorded, 0 for generated audio (Mao et al. 2017)."""
    parts = [
        (1 - true.float()).square().mean() + false.float().square().mean()
        for (true, _), (false, _) in zip(recorded, generated, strict=True)
    ]
    return torch.stack(parts).sum()


def adversarial_loss(generated: Sequence[Judgement]) -> Tensor:
    """Least-squares loss of the generator: discriminators should output 1 for generated audio."""
    return torch.stack([(1 - score.float()).square().mean() for score, _ in generated]).sum()


def feature_loss(recorded: Sequence[Judgement], generated: Sequence[Judgement]) -> Tensor:
    """Feature matching: twice the sum over layers of the mean absolute difference of discriminator features."""
    parts = [
        (true.float().detach() - false.float()).abs().mean()
        for (_, seen), (_, other) in zip(recorded, generated, strict=True)
        for true, false in zip(seen, other, strict=True)
    ]
    return 2 * torch.stack(parts).sum()


def slices(x: Tensor, starts: Tensor, length: int) -> Tensor:
    """Slices [batch, channels, length] of x [batch, channels, n] that begin at `starts` [batch]."""
    places = starts[:, None] + torch.arange(length, device=x.device)
    return x.gather(2, places[:, None].expand(-1, x.shape[1], -1))
