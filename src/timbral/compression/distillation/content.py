"""Distillation of the content encoder of the embedded family: tokens, F0 and pace of a recording."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from timbral.compression.distillation.embedded_teacher import Sounded
from timbral.compression.distillation.task import DistillationTask
from timbral.compression.distillation.token_merging import TokenMerging
from timbral.nets.content_encoder import TOKEN_RATE, ContentEncoder
from timbral.nets.source_filter import SourceFilterVocoder
from timbral.nets.timbre_encoder import RATE
from timbral.training.source_filter_losses import resampled
from timbral.training.task import Batch

_TOKENS = 60
"""Tokens of a crop."""
_HELD_OUT = 16
_TOKEN_SAMPLES = RATE // TOKEN_RATE
_F0_WEIGHT = 3.0
_TIME_WEIGHT = 10.0
"""Of the seconds that `UsualTime` gives to a token, 0.04 on average."""

Samples = NDArray[np.float32]


class ContentDistillation(DistillationTask[ContentEncoder]):
    """The content encoder of a student, and recordings or speech that its teacher hears beside it."""

    bucket = 1e9

    def __init__(
        self,
        student: ContentEncoder,
        teacher: ContentEncoder,
        sounds: Sequence[Samples],
        merging: TokenMerging,
        updates: int,
        seed: int,
    ) -> None:
        """sounds: samples float32 [n] at 16 kHz."""
        whole = [sound for sound in sounds if len(sound) >= _TOKENS * _TOKEN_SAMPLES]
        held_out = min(_HELD_OUT, len(whole) // 8)
        self.held_out, self.examples = whole[:held_out], whole[held_out:]
        self.teacher, self.merging = teacher.eval().requires_grad_(False), merging
        super().__init__(student, [1.0] * len(self.examples), updates, seed)

    def collate(self, examples: Sequence[int]) -> Batch:
        length = _TOKENS * _TOKEN_SAMPLES
        crops = []
        for number in examples:
            sound = self.examples[number]
            start = int(torch.randint(len(sound) - length + 1, ()))
            crops.append(torch.from_numpy(sound[start : start + length]))
        return {"audio": torch.stack(crops)}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        audio = batch["audio"]
        teacher = self.teacher.to(audio.device)
        with torch.no_grad():
            taught, octaves, voicing, *seconds = (part.float() for part in teacher(audio, timed=True))
        logits, pitch, voiced, *learned = (part.float() for part in self.network(audio, timed=True))
        probabilities = self.merging.probabilities(taught.softmax(-1), end=False)
        likely = torch.sigmoid(voicing)
        values = {
            "tokens": -(probabilities * logits.log_softmax(-1)).sum(-1).mean(),
            "pitch": ((pitch - octaves).abs() * likely).sum() / likely.sum().clamp_min(1),
            "voicing": F.binary_cross_entropy_with_logits(voiced, likely),
        }
        loss = values["tokens"] + _F0_WEIGHT * values["pitch"] + values["voicing"]
        if seconds:
            values["pace"] = (learned[0] - seconds[0]).abs().mean()
            loss = loss + _TIME_WEIGHT * values["pace"]
        return loss, values

    def validate(self) -> dict[str, float]:
        if not self.held_out:
            return {}
        length = _TOKENS * _TOKEN_SAMPLES
        return self.measured(
            {"audio": torch.from_numpy(np.stack([sound[:length] for sound in self.held_out]))}
        )


@torch.no_grad()
def sounds_of(vocoder: SourceFilterVocoder, sounded: Sequence[Sounded], seed: int) -> list[Samples]:
    """What the teacher sounded, as samples at 16 kHz."""
    chance = torch.Generator().manual_seed(seed)
    found = []
    for one in sounded:
        f0 = torch.exp2(one.f0.float())[None]
        noise = torch.randn(1, f0.shape[1] * vocoder.config.hop, generator=chance)
        phase = vocoder.phase(f0, torch.rand(1, 1, generator=chance))
        filters = vocoder.shaped(one.envelope.float()[None], one.aperiodicity.float()[None])
        audio = vocoder.render(*filters, f0, phase, noise)
        found.append(resampled(audio, vocoder.config.rate, RATE)[0].numpy())
    return found
