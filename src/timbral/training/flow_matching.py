"""Training of stage two of v3 and v4: conditional flow matching (Lipman et al. 2023) with shortcuts (Frans et
al. 2024).
"""

from collections.abc import Container, Iterator, Sequence

import torch
from torch import Tensor

from timbral.nets.diffusion_transformer import DiffusionTransformer, TransformerBlock
from timbral.nets.mel_acoustic import MelAcousticNetwork, mel_places
from timbral.nets.prior import FRAMES_PER_TOKEN
from timbral.training import regularizers
from timbral.training.acoustic_examples import AcousticExample, collate
from timbral.training.acoustic_task import GENERATOR, AcousticTask, generator_optimizer, select_trainable
from timbral.training.settings import AcousticSettings
from timbral.training.task import Batch, LossStep

_SHORTCUT_SHARE = 0.3
"""Share of the batches that train shortcuts: one step in place of two."""
_FINEST, _COARSEST = 7, 2
"""Shortcut steps have the length 1 / 2^n, with n between these."""
_FINE = 0.01
"""Step length below which the network gets 0."""


class FlowMatchingTask(AcousticTask):
    """Stage two of v3 or v4 and its training examples. The vocoder is not trained, as in the official code."""

    def __init__(
        self,
        network: MelAcousticNetwork,
        examples: Sequence[AcousticExample],
        settings: AcousticSettings,
        allowed: Container[str] | None = None,
    ) -> None:
        """network: modified in place. examples: with mel. allowed: as in `add_low_rank`.

        Raises TrainingError: no usable example, or a pattern matches nothing.
        """
        super().__init__(examples, settings)
        self.network = network
        select_trainable(network, settings, allowed=allowed)
        if settings.checkpointing:
            regularizers.add_checkpointing(
                [m for m in network.cfm.modules() if isinstance(m, TransformerBlock)]
            )
        self.networks = {GENERATOR: network}
        self.optimizers = {GENERATOR: generator_optimizer(network, settings)}

    def loss_steps(self, batch: Batch) -> Iterator[LossStep]:
        loss = self._loss(batch, shortcut=bool(torch.rand(()) < _SHORTCUT_SHARE))
        yield LossStep(GENERATOR, loss, {"velocity": loss})

    def validate(self) -> dict[str, float]:
        device = next(self.network.parameters()).device
        losses = [
            float(self._loss({n: part.to(device) for n, part in collate([example]).items()}, shortcut=False))
            for example in self.held_out
        ]
        return {"velocity": sum(losses) / len(losses)} if losses else {}

    def _loss(self, batch: Batch, *, shortcut: bool) -> Tensor:
        network, settings = self.network, self.settings
        spectrum, frames = batch["spectrum"], batch["frames"]
        masked = spectrum
        if settings.frame_mask or settings.bin_mask:
            masked = regularizers.masked_spectrum(spectrum, frames, settings.frame_mask, settings.bin_mask)
        ge = network.timbre(masked, frames)
        tokens = batch["tokens"]
        prior = network.prior(tokens, batch["phones"], ge, frames // FRAMES_PER_TOKEN, batch["phone_lengths"])
        rate = network.config.mel_rate
        places, _ = mel_places(tokens.shape[1], rate)
        lengths = torch.minimum((frames * rate).long(), batch["mel_lengths"])
        features = network.features(prior, ge, places.to(prior), lengths)
        count = min(features.shape[2], batch["mel"].shape[2])
        return flow_matching_loss(
            network.cfm.estimator,
            batch["mel"][:, :, :count],
            features[:, :, :count],
            lengths,
            shortcut=shortcut,
        )


def flow_matching_loss(
    estimator: DiffusionTransformer, mel: Tensor, features: Tensor, lengths: Tensor, *, shortcut: bool
) -> Tensor:
    """Mean squared error of the velocity from noise to a normalised mel [batch, mel, n], after a prompt of
    random length of up to two thirds of it.

    features [batch, features, n]; lengths [batch]: frames of each row. shortcut: the target is the mean
    velocity of two steps of the network itself, and not the straight line from noise to mel.
    """
    device = mel.device
    prompts = (torch.rand(len(mel), device=device) * (lengths * 2 / 3)).long()
    columns = torch.arange(mel.shape[2], device=device)
    free = (columns >= prompts[:, None])[:, None]
    prompt = mel.masked_fill(free, 0.0)
    time = torch.rand(len(mel), device=device)
    noise = torch.randn_like(mel)
    velocity = mel - noise
    x = (noise + time[:, None, None] * velocity).masked_fill(~free, 0.0)
    step = torch.zeros_like(time)

    if shortcut:
        power = torch.randint(_COARSEST, _FINEST + 1, time.shape, device=device)
        half = 1 / 2.0**power
        given = half.masked_fill(half < _FINE, 0.0)
        with torch.no_grad():
            first = estimator(x, prompt, features, time, given, lengths)
            middle = x + half[:, None, None] * first
            second = estimator(middle, prompt, features, time + half, given, lengths)
        velocity, step = (first + second) / 2, 2 * half
    estimate = estimator(x, prompt, features, time, step, lengths)
    counted = (free & (columns < lengths[:, None])[:, None]).expand_as(mel)
    squares = (estimate.float() - velocity.float()).square() * counted
    loss: Tensor = (squares.sum((1, 2)) / counted.sum((1, 2))).mean()
    return loss
