"""The GE2E speaker encoder, and the timbre encoder of sovits-tiny that contains it."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.audio.source_filter import BANDS, SPEAKER
from timbral.nets.log_mel import LogMel, mel_filters

RATE = 16_000
WINDOW = 160
STRIDE = 80


class SpeakerEncoder(nn.Module):
    """GE2E (Wan et al. 2018), weights of Resemblyzer (Apache-2.0): samples [batch, n] at 16 kHz → unit
    vectors [batch, 256].

    The mean over windows of 1.6 s, 0.8 s apart, of a recording at -30 dBFS; shorter recordings are repeated.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mel = LogMel(RATE, n_fft=400, hop=160, bands=40, log=False, power=2.0)
        self.lstm = nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def load_resemblyzer(self, path: Path) -> None:
        """Loads the weights of Resemblyzer's `pretrained.pt`."""
        state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
        self.load_state_dict(
            {k: v for k, v in state.items() if k.startswith(("lstm.", "linear."))}, strict=False
        )

    def forward(self, audio: Tensor) -> Tensor:
        return self._whole(self.windows(audio))

    def embed(self, mel: Tensor) -> Tensor:
        """Mel power [batch, frames >= 160, 40] → unit vectors [batch, 256]."""
        return self._whole(_cut(mel))

    def windows(self, audio: Tensor) -> Tensor:
        """Samples [batch, n] → mel power of windows [batch, windows, 160, 40]."""
        level = audio.square().mean(-1, keepdim=True).clamp_min(1e-9).sqrt()
        mel = self.mel(audio / level * 10 ** (-30 / 20)).transpose(1, 2)
        repeats = (WINDOW + mel.shape[1] - 1) // mel.shape[1]
        return _cut(mel.repeat(1, repeats, 1))

    def partial(self, windows: Tensor) -> Tensor:
        """Mel power of windows [n, 160, 40] → unit vectors [n, 256]."""
        _, (hidden, _) = self.lstm(windows)
        return F.normalize(torch.relu(self.linear(hidden[-1])), dim=1)

    def _whole(self, windows: Tensor) -> Tensor:
        partial = self.partial(windows.flatten(0, 1))
        return F.normalize(partial.reshape(*windows.shape[:2], -1).mean(1), dim=1)


def _cut(mel: Tensor) -> Tensor:
    return mel.unfold(1, WINDOW, STRIDE).transpose(2, 3)


def mean_spectrum(timbre: Tensor) -> Tensor:
    """The mean log-mel spectrum [batch, 80] in timbre vectors [batch, 417]."""
    return timbre[:, SPEAKER : SPEAKER + BANDS]


def band_centres() -> Tensor:
    """Centre frequencies of its bands in Hz, [80]."""
    centres = mel_filters(RATE, RATE, BANDS, RATE / 2).argmax(1)
    return centres.float()


class TimbreEncoder(nn.Module):
    """Samples [batch, n] at 16 kHz and mean log2 F0 [batch, 1] → timbre [batch, 417].

    The vector is the GE2E embedding (256), the mean (80) and standard deviation (80) of the log-mel spectrum
    over the louder frames, and the mean log2 F0. It has no weights trained for this model, so it generalises
    to unseen voices.
    """

    def __init__(self) -> None:
        super().__init__()
        self.speaker = SpeakerEncoder()
        self.mel = LogMel(RATE, n_fft=640, hop=160, bands=BANDS)

    def forward(self, audio: Tensor, pitch: Tensor) -> Tensor:
        return torch.cat([16 * self.speaker(audio), self.spectrum(audio), pitch], 1)

    def spectrum(self, audio: Tensor) -> Tensor:
        """Mean and standard deviation of the log-mel spectrum of the louder frames, relative to their level:
        [batch, 160].
        """
        mel = self.mel(audio)
        level = mel.mean(1, keepdim=True)
        loud = torch.sigmoid(2 * (level - level.mean(2, keepdim=True)))
        loud = loud / loud.sum(2, keepdim=True)
        mean = (mel * loud).sum(2, keepdim=True)
        spread = ((mel - mean).square() * loud).sum(2).clamp_min(1e-4).sqrt()
        return torch.cat([mean[..., 0] - (level * loud).sum(2), spread - 2], 1)
