"""Distillation of stage two of the embedded family.

The teacher's envelopes, aperiodicity and F0 follow from its inputs, so a student can learn them by regression,
without an adversary. A source-filter vocoder filters the same source by both, so the difference of two spectra
is that of their filters, and no samples are needed to compare spectra at several resolutions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.compression.distillation.embedded_teacher import Sounded
from timbral.compression.distillation.task import DistillationTask
from timbral.nets.source_filter import LatentNet, SourceFilterVocoder
from timbral.training.task import Batch

_LONGEST = 80
"""Tokens of a crop."""
_HELD_OUT = 24
_EDGE = 6
"""Tokens at the cut end of a crop that do not count: the student cannot see what the teacher saw."""
_POOLS = ((1, 1), (4, 1), (1, 8), (16, 8))
"""Frames and frequencies over which envelopes are averaged before they are compared."""
_FLOOR, _CEILING = -10.0, 4.0
"""Limits of log magnitudes that are compared, and those of log odds."""
_QUIET = 5.0
"""Nepers below the loudest frame at which a frame counts by half."""
_F0_WEIGHT, _APERIODICITY_WEIGHT, _DELTA_WEIGHT = 8.0, 0.25, 1.0


class SourceFilterStudent(nn.Module):
    """Both networks of stage two."""

    def __init__(self, latent: LatentNet, vocoder: SourceFilterVocoder) -> None:
        super().__init__()
        self.latent, self.vocoder = latent, vocoder

    def forward(
        self, tokens: Tensor, phones: Tensor, timbre: Tensor, f0: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Envelope, aperiodicity at the given F0 (log2 Hz) and predicted log2 F0."""
        latent, predicted = self.latent.speak(tokens, timbre, phones)
        envelope, aperiodicity = self.vocoder.envelope(latent, timbre, torch.exp2(f0))
        return envelope.float(), aperiodicity.float(), torch.log2(predicted.float())


class SourceFilterDistillation(DistillationTask[SourceFilterStudent]):
    """Stage two of a student and what its teacher sounded."""

    bucket = 12.0

    def __init__(
        self,
        student: SourceFilterStudent,
        sounded: Sequence[Sounded],
        groups: Tensor,
        updates: int,
        seed: int,
    ) -> None:
        """groups: int64 [teacher's vocabulary], the student's token of each of the teacher's."""
        held_out = min(_HELD_OUT, len(sounded) // 8)
        self.held_out, self.examples = sounded[:held_out], sounded[held_out:]
        self.groups = groups
        super().__init__(student, [float(len(one.tokens)) for one in self.examples], updates, seed)

    def collate(self, examples: Sequence[int]) -> Batch:
        chosen = [self.examples[number] for number in examples]
        length = min(_LONGEST, *(len(one.tokens) for one in chosen))
        starts = [int(torch.randint(len(one.tokens) - length + 1, ())) for one in chosen]
        return self._batch(chosen, starts, length)

    def _batch(self, chosen: Sequence[Sounded], starts: Sequence[int], length: int) -> Batch:
        rows: dict[str, list[Tensor]] = {}
        for one, start in zip(chosen, starts, strict=True):
            stop, frames = start + length, len(one.f0) // len(one.tokens)
            window = slice(start * frames, stop * frames)
            counts = torch.ones(length)
            counts[: _EDGE if start else 0] = 0
            counts[length - (_EDGE if stop < len(one.tokens) else 0) :] = 0
            parts = {
                "tokens": self.groups[one.tokens[start:stop]],
                "phones": one.phones[start:stop],
                "timbre": one.timbre,
                "f0": one.f0[window],
                "envelope": one.envelope[window].float(),
                "aperiodicity": one.aperiodicity[window].float(),
                "counts": counts.repeat_interleave(frames),
            }
            for name, part in parts.items():
                rows.setdefault(name, []).append(part)
        return {name: torch.stack(parts) for name, parts in rows.items()}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        values = self._errors(batch)
        loss = (
            values["envelope"]
            + _DELTA_WEIGHT * values["delta"]
            + _APERIODICITY_WEIGHT * values["aperiodicity"]
            + _F0_WEIGHT * values["f0"]
        )
        return loss, values

    def _errors(self, batch: Batch) -> dict[str, Tensor]:
        envelope, aperiodicity, f0 = self.network(
            batch["tokens"], batch["phones"], batch["timbre"], batch["f0"]
        )
        target, counts = batch["envelope"].clamp(_FLOOR, _CEILING), batch["counts"]
        envelope = envelope.clamp(_FLOOR - 1, _CEILING + 1)
        level = target.mean(2)
        # Consonants are several nepers below vowels; pauses are further below.
        loud = 0.1 + torch.sigmoid(2 * (level - level.amax(1, keepdim=True) + _QUIET))
        noisy = batch["aperiodicity"].clamp(-_CEILING, _CEILING)
        voiced = 0.05 + torch.sigmoid(-noisy[..., :4].mean(2))
        delta = (envelope - target).diff(dim=1).abs().mean(2)
        return {
            "envelope": sum(
                (_pooled_error(envelope - target, counts * loud, pool) for pool in _POOLS),
                torch.zeros((), device=envelope.device),
            )
            / len(_POOLS),
            "delta": _mean(delta, (counts * loud)[:, 1:]),
            "aperiodicity": _mean(
                (aperiodicity.clamp(-_CEILING - 1, _CEILING + 1) - noisy).abs().mean(2), counts * loud
            ),
            "f0": _mean((f0 - batch["f0"]).abs(), counts * voiced),
        }

    def validate(self) -> dict[str, float]:
        sums: dict[str, float] = {}
        for one in self.held_out:
            for name, value in self.measured(self._batch([one], [0], len(one.tokens))).items():
                sums[name] = sums.get(name, 0.0) + value / len(self.held_out)
        return sums


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1e-6)


def _pooled_error(difference: Tensor, weights: Tensor, pool: tuple[int, int]) -> Tensor:
    """L1 of a difference of spectra [batch, F, points] averaged over so many frames and points."""
    if pool[0] == 1:
        pooled = F.avg_pool1d(difference, pool[1]) if pool[1] > 1 else difference
        return _mean(pooled.abs().mean(2), weights)
    pooled = F.avg_pool2d((difference * weights[..., None])[:, None], pool)[:, 0]
    return pooled.abs().mean() / F.avg_pool1d(weights[:, None], pool[0]).mean().clamp_min(1e-6)
