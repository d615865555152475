"""Trains stage two of v3 and v4 as GPT-SoVITS does: conditional flow matching, with shortcuts."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from timbral.nets.diffusion_transformer import DiffusionTransformer, TransformerBlock
from timbral.nets.mel_acoustic import MelAcousticNetwork, mel_places
from timbral.nets.prior import FRAMES_PER_TOKEN
from timbral.training import regularizers
from timbral.training.acoustic_examples import AcousticExample, collate
from timbral.training.adapters import add_low_rank, freeze
from timbral.training.settings import AcousticSettings
from timbral.training.stage_two import GENERATOR, StageTwoTask, generator_optimizer
from timbral.training.task import Batch, Pass

_SHORTCUTS = 0.3
"""Share of the batches that learn to take two steps in one."""
_FINEST, _COARSEST = 7, 2
"""Steps of shortcuts are 1 / 2^n long, for n between these."""
_FINE = 0.01
"""Length below which the network is told of a step that it has none."""


class MelAcousticTask(StageTwoTask):
    """Stage two of v3 or v4, and recordings that it is trained on. The vocoder is not trained, officially neither."""

    def __init__(
        self, network: MelAcousticNetwork, examples: Sequence[AcousticExample], settings: AcousticSettings
    ) -> None:
        """network: is changed as the settings say; examples with their mel.

        Raises TrainingError: no example is left, or a pattern fits nothing.
        """
        super().__init__(examples, settings)
        self.network = network
        if settings.dropout is not None:
            regularizers.set_dropout(network, settings.dropout)
        if settings.method == "lora":
            add_low_rank(network, settings.targets, settings.rank, settings.whole)
        else:
            freeze(network, settings.freeze)
        if settings.checkpointing:
            regularizers.add_checkpointing(
                [m for m in network.cfm.modules() if isinstance(m, TransformerBlock)]
            )
        self.networks = {GENERATOR: network}
        self.optimizers = {GENERATOR: generator_optimizer(network, settings)}

    def passes(self, batch: Batch) -> Iterator[Pass]:
        loss = self._loss(batch, shortcut=bool(torch.rand(()) < _SHORTCUTS))
        yield Pass(GENERATOR, loss, {"velocity": loss})

    def validate(self) -> dict[str, float]:
        device = next(self.network.parameters()).device
        losses = [
            float(self._loss({n: part.to(device) for n, part in collate([example]).items()}, shortcut=False))
            for example in self.kept
        ]
        return {"velocity": sum(losses) / len(losses)} if losses else {}

    def _loss(self, batch: Batch, *, shortcut: bool) -> Tensor:
        network, settings = self.network, self.settings
        spectrum, frames = batch["spectrum"], batch["frames"]
        shown = spectrum
        if settings.frame_mask or settings.bin_mask:
            shown = regularizers.masked_spectrum(spectrum, frames, settings.frame_mask, settings.bin_mask)
        ge = network.timbre(shown, frames)
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
    """Mean squared error of the velocity from noise to a normalised mel [batch, mel, n], beyond a prompt of random length
    of up to two thirds of it.

    features [batch, features, n]; lengths [batch]: frames of each row. shortcut: learn where two steps lead that the network
    takes itself (Frans et al. 2024), rather than the straight way (Lipman et al. 2023).
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
        told = half.masked_fill(half < _FINE, 0.0)
        with torch.no_grad():
            first = estimator(x, prompt, features, time, told, lengths)
            middle = x + half[:, None, None] * first
            second = estimator(middle, prompt, features, time + half, told, lengths)
        velocity, step = (first + second) / 2, 2 * half
    made = estimator(x, prompt, features, time, step, lengths)
    counted = (free & (columns < lengths[:, None])[:, None]).expand_as(mel)
    squares = (made.float() - velocity.float()).square() * counted
    loss: Tensor = (squares.sum((1, 2)) / counted.sum((1, 2))).mean()
    return loss
