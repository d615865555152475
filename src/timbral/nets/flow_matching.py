"""Inference of conditional flow matching in v3 and v4: noise to mel in a few Euler steps.

After Lipman et al. 2023; the network also knows the length of a step (shortcut models, Frans et al. 2024).
"""

import torch
from torch import Tensor, nn

from timbral.nets.diffusion_transformer import DiffusionTransformer, TransformerConfig


class FlowMatching(nn.Module):
    """The network that gives directions, under the name that checkpoints give it, and the solver."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.estimator = DiffusionTransformer(config)

    def solve(
        self, features: Tensor, prompt: Tensor, noise: Tensor, steps: int, guidance: float = 0.0
    ) -> Tensor:
        """Normalised mel [batch, mel, n] for the features, in the voice of the prompt.

        features [batch, features, n]; prompt: normalised mel of the first p frames, [batch, mel, p], where
        the result is 0; noise: standard normal [batch, mel, n]. guidance: how far to lead away from what has
        neither prompt nor features, at twice the cost; officially not at all.
        """
        p, n = prompt.shape[2], noise.shape[2]
        known = torch.cat([prompt, torch.zeros_like(noise[:, :, p:])], dim=2)
        free = (torch.arange(n, device=noise.device) >= p).to(noise)
        condition = self.estimator.condition(known, features)
        nothing = (
            self.estimator.condition(torch.zeros_like(known), torch.zeros_like(features))
            if guidance
            else None
        )
        rotation = self.estimator.rotation(n)
        step = noise.new_full(noise.shape[:1], 1 / steps)
        x, time = noise * free, 0.0
        for _ in range(steps):
            moment = torch.full_like(step, time)
            velocity = self.estimator.velocity(x, condition, rotation, moment, step)
            if nothing is not None:
                away = self.estimator.velocity(x, nothing, rotation, moment, step)
                velocity = velocity + guidance * (velocity - away)
            x = (x + velocity / steps) * free
            time += 1 / steps
        return x
