"""Training examples of stage two of the official families, with audio, tokens and phones aligned in time."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from timbral.nets.prior import FRAMES_PER_TOKEN
from timbral.nets.spectrogram import TIMBRE, linear_spectrogram

FRAME_RATE = TIMBRE.rate // TIMBRE.hop


@dataclass(frozen=True)
class AcousticExample:
    """A recording.

    samples: float [n] at 32 kHz; phones int64 [P]; tokens int64 [T]; speaker: float [S] for the Pro families.
    content: input of the quantizer, float [features, T], needed only to train it.
    mel: normalised, [bands, M], for v3 and v4.
    """

    samples: Tensor
    phones: Tensor
    tokens: Tensor
    speaker: Tensor | None = None
    content: Tensor | None = None
    mel: Tensor | None = None

    @property
    def frames(self) -> int:
        """Spectrogram frames that have a token; two per token."""
        tokens = min(len(self.tokens), len(self.samples) // TIMBRE.hop // FRAMES_PER_TOKEN)
        return tokens * FRAMES_PER_TOKEN

    @property
    def seconds(self) -> float:
        """Usable length."""
        return self.frames / FRAME_RATE


def collate(examples: Sequence[AcousticExample]) -> dict[str, Tensor]:
    """A batch, padded on the right with zeros.

    samples [batch, 1, n], spectrum [batch, bins, F], frames [batch], tokens [batch, F / 2], phones [batch,
    P], phone_lengths [batch]; speaker [batch, S], content [batch, features, F / 2], and mel [batch, bands, M]
    with mel_lengths [batch], where the examples have them.
    """
    sounds = [example.samples[: example.frames * TIMBRE.hop] for example in examples]
    batch = {
        "samples": pad_sequence(sounds, batch_first=True)[:, None],
        "spectrum": _padded([linear_spectrogram(sound[None])[0] for sound in sounds]),
        "frames": torch.tensor([example.frames for example in examples]),
        "tokens": pad_sequence(
            [e.tokens[: e.frames // FRAMES_PER_TOKEN] for e in examples], batch_first=True
        ),
        "phones": pad_sequence([example.phones for example in examples], batch_first=True),
        "phone_lengths": torch.tensor([len(example.phones) for example in examples]),
    }
    if all(example.speaker is not None for example in examples):
        batch["speaker"] = torch.stack([e.speaker for e in examples if e.speaker is not None])
    if all(example.content is not None for example in examples):
        parts = [e.content[:, : e.frames // FRAMES_PER_TOKEN] for e in examples if e.content is not None]
        batch["content"] = _padded(parts)
    mels = [example.mel for example in examples if example.mel is not None]
    if len(mels) == len(examples):
        batch["mel"] = _padded(mels)
        batch["mel_lengths"] = torch.tensor([mel.shape[1] for mel in mels])
    return batch


def _padded(rows: Sequence[Tensor]) -> Tensor:
    """Stacks rows [channels, n] to [batch, channels, n]."""
    return pad_sequence([row.T for row in rows], batch_first=True).transpose(1, 2).contiguous()
