"""Losses for fine-tuning stage two of the embedded family: spectra, speaker embedding and content."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.content_encoder import ReferenceEncoder
from timbral.nets.log_mel import mel_filters
from timbral.nets.timbre_encoder import RATE as ENCODER_RATE

_RESOLUTIONS = ((512, 128, 48), (1024, 240, 80), (2048, 480, 128))
"""Window and hop in samples, and number of mel bands."""
_FINE = 1024
"""Longest window whose bins are compared; longer windows resolve harmonics, which need not match."""
_FLOOR_MEL, _FLOOR, _FLOOR_BANDS = 1e-5, 1e-3, 1e-4
_LEVEL = 10 ** (-30 / 20)
"""RMS of the input of the speaker encoder."""


def magnitudes(audio: Tensor, window: int, hop: int) -> Tensor:
    """Magnitude spectrum [batch, bins, frames] of samples [batch, n]."""
    shape = torch.hann_window(window, device=audio.device)
    return torch.stft(audio, window, hop, window=shape, return_complex=True).abs()


class SpectralLoss(nn.Module):
    """L1 of log-mel and of log-magnitude spectra at several resolutions, with spectral convergence (Yamamoto
    et al. 2020).
    """

    def __init__(self, rate: int) -> None:
        super().__init__()
        for window, _, bands in _RESOLUTIONS:
            self.register_buffer(f"filters{window}", mel_filters(rate, window, bands, rate / 2))

    def forward(self, generated: Tensor, recorded: Tensor) -> Tensor:
        """Samples [batch, n] of both → scalar."""
        mel, fine = torch.zeros((), device=generated.device), torch.zeros((), device=generated.device)
        for window, hop, _ in _RESOLUTIONS:
            a, b = magnitudes(generated, window, hop), magnitudes(recorded, window, hop)
            to_mel = self.get_buffer(f"filters{window}")
            mel = mel + F.l1_loss(_log(to_mel @ a, _FLOOR_MEL), _log(to_mel @ b, _FLOOR_MEL))
            if window <= _FINE:
                fine = fine + F.l1_loss(torch.log(a + _FLOOR), torch.log(b + _FLOOR))
                fine = fine + torch.linalg.norm(a - b) / torch.linalg.norm(b)
        return mel + fine


def _log(magnitudes: Tensor, floor: float) -> Tensor:
    return torch.log(magnitudes.clamp_min(floor))


class SpeakerMel(nn.Module):
    """Mel power [batch, frames, 40] of samples [batch, n] at another rate, as the speaker encoder computes it
    at 16 kHz.
    """

    def __init__(self, rate: int) -> None:
        """rate: a multiple of 8 kHz."""
        super().__init__()
        self.window, self.hop = rate * 25 // 1000, rate // 100
        # The power of a window grows with the square of its samples.
        self.share = (ENCODER_RATE / rate) ** 2
        self.register_buffer("filters", mel_filters(rate, self.window, 40, ENCODER_RATE / 2))

    def forward(self, audio: Tensor) -> Tensor:
        level = audio.square().mean(-1, keepdim=True).clamp_min(1e-9).sqrt()
        power = magnitudes(audio / level * _LEVEL, self.window, self.hop).square()
        return (self.get_buffer("filters") @ power).transpose(1, 2) * self.share


class PerceptualFeatures(nn.Module):
    """Differentiable features of audio from the encoders of the model."""

    def __init__(self, encoder: ReferenceEncoder, rate: int) -> None:
        """rate: of the audio, a multiple of 8 kHz."""
        super().__init__()
        self.encoder = encoder.requires_grad_(False).eval()
        # cuDNN computes gradients of an LSTM in training mode only; this one has no dropout.
        self.encoder.timbre.speaker.lstm.train()
        self.rate = rate
        self.mel = SpeakerMel(rate)

    def speaker(self, audio: Tensor) -> Tensor:
        """Speaker embeddings [batch, 256], unit vectors, of samples [batch, n] of at least 1.6 s."""
        return self.encoder.timbre.speaker.embed(self.mel(audio))

    def articulation(self, audio: Tensor) -> Tensor:
        """Log power of 40 bands [batch, frames, 40] of samples [batch, n], minus its mean over time.

        The mean spectrum belongs to the speaker, the deviation from it to the content.
        """
        bands = torch.log(self.mel(audio) + _FLOOR_BANDS)
        return bands - bands.mean(1, keepdim=True)

    def token_logits(self, audio: Tensor) -> Tensor:
        """Token logits [batch, T, vocabulary] of samples [batch, n]."""
        logits: Tensor = self.encoder.content(resampled(audio, self.rate, ENCODER_RATE))[0]
        return logits


def resampled(audio: Tensor, rate: int, wanted: int) -> Tensor:
    """Resamples [batch, n] to a lower rate by truncating the spectrum; n * wanted / rate must be an integer."""
    count = audio.shape[1] * wanted // rate
    spectrum = torch.fft.rfft(audio)[:, : count // 2 + 1]
    lower: Tensor = torch.fft.irfft(spectrum, count) * (count / audio.shape[1])
    return lower
