"""Distillation of stage two of v1 to v2ProPlus: latent and sound of a teacher that hears the same noise."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from timbral.compression.distillation.task import DistillationTask
from timbral.compression.official_speech import SpokenUtterance
from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.masks import length_mask
from timbral.nets.prior import FRAMES_PER_TOKEN
from timbral.training.source_filter_losses import SpectralLoss
from timbral.training.task import Batch
from timbral.training.vits_losses import slices

_LONGEST = 100
"""Tokens of an utterance: what is longer is cut."""
_SEGMENT = 32
"""Frames that are vocoded."""
_NOISE = 0.5
_HELD_OUT = 8
_LATENT_WEIGHT = 2.0


class VitsDistillation(DistillationTask[AcousticNetwork]):
    """Stage two of a student, its teacher, and what the teacher's stage one spoke."""

    bucket = 20.0

    def __init__(
        self,
        student: AcousticNetwork,
        teacher: AcousticNetwork,
        utterances: Sequence[SpokenUtterance],
        rate: int,
        updates: int,
        seed: int,
    ) -> None:
        usable = [one for one in utterances if len(one.tokens) * FRAMES_PER_TOKEN > _SEGMENT]
        held_out = min(_HELD_OUT, len(usable) // 8)
        self.held_out, self.examples = usable[:held_out], usable[held_out:]
        self.teacher = teacher.eval().requires_grad_(False)
        self.spectral = SpectralLoss(rate)
        super().__init__(student, [float(len(one.tokens)) for one in self.examples], updates, seed)

    def collate(self, examples: Sequence[int]) -> Batch:
        return self._batch([self.examples[number] for number in examples])

    def _batch(self, chosen: Sequence[SpokenUtterance]) -> Batch:
        tokens = [one.tokens[:_LONGEST] for one in chosen]
        lengths = torch.tensor([len(each) for each in tokens])
        frames = FRAMES_PER_TOKEN * int(lengths.max())
        spaces = FRAMES_PER_TOKEN * lengths - _SEGMENT + 1
        return {
            "tokens": pad_sequence(tokens, batch_first=True),
            "token_lengths": lengths,
            "phones": pad_sequence([one.phones for one in chosen], batch_first=True),
            "phone_lengths": torch.tensor([len(one.phones) for one in chosen]),
            "timbre": torch.stack([one.timbre for one in chosen])[:, :, None],
            "noise": _NOISE * torch.randn(len(chosen), self.teacher.config.latent, frames),
            "starts": torch.stack([torch.randint(int(space), ()) for space in spaces]),
        }

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        device = batch["tokens"].device
        self.teacher.to(device)
        lengths = FRAMES_PER_TOKEN * batch["token_lengths"]
        mask = length_mask(lengths, batch["noise"].shape[2])
        with torch.no_grad():
            wanted = _latent(self.teacher, batch)
            segment = slices(wanted, batch["starts"], _SEGMENT)
            samples = self.teacher.vocode(segment, batch["timbre"]).float()
        latent = _latent(self.network, batch)
        generated = self.network.vocode(segment, batch["timbre"]).float()
        values = {
            "latent": ((latent - wanted).abs() * mask).sum() / (mask.sum() * latent.shape[1]),
            "spectral": self.spectral.to(device)(generated, samples),
        }
        return _LATENT_WEIGHT * values["latent"] + values["spectral"], values

    def validate(self) -> dict[str, float]:
        return self.measured(self._batch(self.held_out)) if self.held_out else {}


def _latent(network: AcousticNetwork, batch: Batch) -> Tensor:
    """The latent [batch, latent, 2 T] of a batch."""
    timbre = batch["timbre"]
    frames = network.prior(
        batch["tokens"], batch["phones"], timbre, batch["token_lengths"], batch["phone_lengths"]
    )
    return network.latent(frames, timbre, batch["noise"], FRAMES_PER_TOKEN * batch["token_lengths"])
