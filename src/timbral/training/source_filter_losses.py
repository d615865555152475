"""What stage two of the embedded family learns by: the sound of a recording, who is speaking, and what is being said."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.tiny_content import ReferenceEncoder
from timbral.nets.tiny_mel import mel_filters
from timbral.nets.tiny_timbre import RATE as HEARD_AT

_RESOLUTIONS = ((512, 128, 48), (1024, 240, 80), (2048, 480, 128))
"""Samples of a window, of a step, and bands."""
_FINE = 1024
"""Longest window in which single bins are compared; harmonics are resolved above, and need not agree."""
_FLOOR_MEL, _FLOOR, _FLOOR_BANDS = 1e-5, 1e-3, 1e-4
_LEVEL = 10 ** (-30 / 20)
"""Of what the speaker encoder hears."""


def magnitudes(audio: Tensor, window: int, hop: int) -> Tensor:
    """Magnitude spectrum [batch, bins, frames] of samples [batch, n]."""
    shape = torch.hann_window(window, device=audio.device)
    return torch.stft(audio, window, hop, window=shape, return_complex=True).abs()


class SpectralLoss(nn.Module):
    """L1 of log-mel and of log-magnitude spectra at several resolutions, with spectral convergence (Yamamoto et al. 2020)."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        for window, _, bands in _RESOLUTIONS:
            self.register_buffer(f"filters{window}", mel_filters(rate, window, bands, rate / 2))

    def forward(self, made: Tensor, recorded: Tensor) -> Tensor:
        """Samples [batch, n] of both → scalar: what is lost in bands and what in single bins."""
        mel, fine = torch.zeros((), device=made.device), torch.zeros((), device=made.device)
        for window, hop, _ in _RESOLUTIONS:
            a, b = magnitudes(made, window, hop), magnitudes(recorded, window, hop)
            to_mel = self.get_buffer(f"filters{window}")
            mel = mel + F.l1_loss(_log(to_mel @ a, _FLOOR_MEL), _log(to_mel @ b, _FLOOR_MEL))
            if window <= _FINE:
                fine = fine + F.l1_loss(torch.log(a + _FLOOR), torch.log(b + _FLOOR))
                fine = fine + torch.linalg.norm(a - b) / torch.linalg.norm(b)
        return mel + fine


def _log(magnitudes: Tensor, floor: float) -> Tensor:
    return torch.log(magnitudes.clamp_min(floor))


class SpeakerMel(nn.Module):
    """What the speaker encoder reads, of sound at another rate: mel power [batch, frames, 40] of samples [batch, n].

    The windows and bands are those of 16 kHz; a window of so many more samples has more power by their square.
    """

    def __init__(self, rate: int) -> None:
        """rate: a multiple of 8 kHz."""
        super().__init__()
        self.window, self.hop = rate * 25 // 1000, rate // 100
        self.share = (HEARD_AT / rate) ** 2
        self.register_buffer("filters", mel_filters(rate, self.window, 40, HEARD_AT / 2))

    def forward(self, audio: Tensor) -> Tensor:
        level = audio.square().mean(-1, keepdim=True).clamp_min(1e-9).sqrt()
        power = magnitudes(audio / level * _LEVEL, self.window, self.hop).square()
        return (self.get_buffer("filters") @ power).transpose(1, 2) * self.share


class Hearing(nn.Module):
    """Hears sound as the model itself hears a recording, so that gradients reach the sound: nothing but the model is needed."""

    def __init__(self, encoder: ReferenceEncoder, rate: int) -> None:
        """rate: of the sound that is heard, a multiple of 8 kHz."""
        super().__init__()
        self.encoder = encoder.requires_grad_(False).eval()
        # cuDNN passes gradients through an LSTM in training mode only; this one has no dropout, so nothing else changes.
        self.encoder.timbre.speaker.lstm.train()
        self.rate = rate
        self.mel = SpeakerMel(rate)

    def speaker(self, audio: Tensor) -> Tensor:
        """Unit vectors [batch, 256] of samples [batch, n] of at least 1.6 s."""
        return self.encoder.timbre.speaker.embed(self.mel(audio))

    def articulation(self, audio: Tensor) -> Tensor:
        """How samples [batch, n] move: the log power of 40 bands [batch, frames, 40] around its mean over time.

        A speaker's own colour is in the mean, and what is said is in the rest.
        """
        bands = torch.log(self.mel(audio) + _FLOOR_BANDS)
        return bands - bands.mean(1, keepdim=True)

    def token_logits(self, audio: Tensor) -> Tensor:
        """What is heard in samples [batch, n], as logits of tokens [batch, T, vocabulary]."""
        logits: Tensor = self.encoder.content(resampled(audio, self.rate, HEARD_AT))[0]
        return logits


def resampled(audio: Tensor, rate: int, wanted: int) -> Tensor:
    """Samples [batch, n] at a lower rate, by cutting off the upper part of the spectrum; n must give whole samples there."""
    count = audio.shape[1] * wanted // rate
    spectrum = torch.fft.rfft(audio)[:, : count // 2 + 1]
    lower: Tensor = torch.fft.irfft(spectrum, count) * (count / audio.shape[1])
    return lower
