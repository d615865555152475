"""Losses of stage two: distances of envelopes and F0, speaker similarity, content."""

from pathlib import Path

import torch
from runs import half
from teachers import WhisperEncoder
from tokens import Codebook
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.source_filter import SourceFilterConfig
from timbral.nets.timbre_encoder import SpeakerEncoder
from timbral.training.source_filter_losses import SpeakerMel, magnitudes
from timbral.training.task import Batch

FLOOR, MAX_ODDS = -9.5, 6.0
"""Least log magnitude that is audible, and log odds beyond which a frame is all noise or all harmonic."""
APERIODICITY = SourceFilterConfig().aperiodicity


def split(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Envelope and aperiodicity of frames [..., envelope + aperiodicity]."""
    return frames[..., :-APERIODICITY], frames[..., -APERIODICITY:]


def bounded(frames: Tensor) -> Tensor:
    """Frames limited to what is audible."""
    envelope, aperiodicity = split(frames)
    return torch.cat([envelope.clamp_min(FLOOR), aperiodicity.clamp(-MAX_ODDS, MAX_ODDS)], -1)


def frame_distances(frames: Tensor, recorded: Tensor) -> dict[str, Tensor]:
    """Mean absolute differences of envelopes and of aperiodicities."""
    parts = zip(split(frames), split(recorded), strict=True)
    envelope, aperiodicity = (F.l1_loss(predicted, target) for predicted, target in parts)
    return {"envelope": envelope, "aperiodicity": aperiodicity}


def f0_error(f0: Tensor, batch: Batch) -> Tensor:
    """Mean error of F0 [batch, frames] in octaves, over the voiced frames."""
    octaves = (torch.log2(f0) - torch.log2(batch["f0"])).abs() * batch["voiced"]
    return octaves.sum() / batch["voiced"].sum().clamp_min(1)


class SpeakerLoss(nn.Module):
    """1 - cosine of the GE2E embedding of samples [batch, n at 24 kHz], 1.6 s or more, and given embeddings
    [batch, 256].
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.encoder = SpeakerEncoder()
        self.encoder.load_resemblyzer(weights)
        self.encoder.requires_grad_(False)
        self.mel = SpeakerMel(SourceFilterConfig().rate)

    def forward(self, audio: Tensor, target: Tensor) -> Tensor:
        mel = self.mel(audio)
        # cuDNN lacks bfloat16 LSTMs on some devices.
        with half(audio.device, enabled=audio.device.type == "cpu"):
            return 1 - (self.encoder.embed(mel).float() * target).sum(1)


class ContentLoss(nn.Module):
    """Squared distance of the content features of samples [batch, 960 T at 24 kHz] from targets [batch, T,
    D].
    """

    def __init__(self, site_packages: Path, codebook: Codebook) -> None:
        super().__init__()
        self.whisper = WhisperEncoder(site_packages).requires_grad_(False)
        self.register_buffer("mean", torch.from_numpy(codebook.mean))
        self.register_buffer("basis", torch.from_numpy(codebook.basis))

    def features(self, audio: Tensor) -> Tensor:
        """Features of Whisper, projected as for the tokens, [batch, T, D]."""
        # The mel bands of 16 kHz, from windows of the same length and bins of the same width.
        power = magnitudes(audio, 600, 240)[:, :201, :-1].square() / 2.25
        log = (self.whisper.mel @ power).clamp_min(1e-10).log10()
        log = (torch.maximum(log, log.amax((1, 2), keepdim=True) - 8) + 4) / 4
        with half(audio.device):
            features = self.whisper(log)
        centred = features.float().unflatten(1, (-1, 2)).mean(2) - self.get_buffer("mean")
        return centred @ self.get_buffer("basis")

    def forward(self, audio: Tensor, target: Tensor) -> Tensor:
        return (self.features(audio) - target).square().sum(-1).mean()
