"""Stage two of v3 and v4: semantic tokens, phones and a timbre to mel, continuing the mel of a prompt.

The network is `SynthesizerTrnV3` of GPT-SoVITS (https://github.com/RVC-Boss/GPT-SoVITS, `module/models.py`);
its checkpoints load strictly. The road through it, each step a method:

    recordings ─ timbre ─▶ ge          features of a recording ─ codes_of ─▶ semantic tokens (25 Hz)
    tokens, phones, ge ─ prior ─▶ frames (50 Hz) ─ features ─▶ features (93.75 or 100 Hz)
    features, prompt, noise ─ cfm.solve ─▶ normalised mel ─ a vocoder ─▶ samples

The vocoder is a checkpoint of its own: see `timbral.nets.mel_vocoders`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from timbral.nets.diffusion_transformer import TransformerConfig
from timbral.nets.flow_matching import FlowMatching
from timbral.nets.prior import FRAMES_PER_TOKEN, PriorConfig, PriorNetwork, mask_of
from timbral.nets.text_encoder import read_at
from timbral.nets.wavenet import FrameEncoder


@dataclass(frozen=True)
class MelAcousticConfig(PriorConfig):
    """Sizes of stage two; the defaults are those of the official v3.

    mel_rate: frames of mel for each frame of the prior (50 Hz).
    feature_layers, feature_kernel: of the WaveNet that makes features; transformer: of the flow matching.
    """

    mel_rate: float = 1.875
    feature_layers: int = 8
    feature_kernel: int = 5
    transformer: TransformerConfig = field(default_factory=TransformerConfig)


_V3 = MelAcousticConfig()
MEL_FAMILIES: Mapping[str, MelAcousticConfig] = MappingProxyType(
    {"v3": _V3, "v4": replace(_V3, mel_rate=2.0)}
)
"""The official sizes by family."""


class MelAcousticNetwork(PriorNetwork):
    """Semantic tokens to mel."""

    def __init__(self, config: MelAcousticConfig) -> None:
        super().__init__(config)
        self.config = config
        width = config.transformer.features
        self.bridge = nn.Sequential(nn.Conv1d(config.hidden, width, 1), nn.LeakyReLU())
        self.wns1 = FrameEncoder(
            width, width, width, config.feature_kernel, config.feature_layers, config.timbre
        )
        # Not used by the official code either, but its checkpoints have it.
        self.linear_mel = nn.Conv1d(width, config.transformer.mel, 1)
        self.cfm = FlowMatching(config.transformer)

    def timbre(self, spectrum: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The timbre ge [batch, timbre, 1] of a linear spectrogram [batch, bins, frames]."""
        return self.style(spectrum, lengths)

    def features(self, frames: Tensor, ge: Tensor, places: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the flow is to say, [batch, features, M], of frames [batch, hidden, 2 T].

        places: float [M], where in the frames each frame of mel is read; see `mel_places`.
        lengths [batch]: after how many frames of mel each row is 0, by default none.
        """
        x = self.bridge(read_at(frames, places))
        return self.wns1.encoded(x, mask_of(x, lengths), ge)


def mel_places(tokens: int, mel_rate: float, speed: float = 1.0) -> tuple[Tensor, int]:
    """Where in the 2 T frames of T tokens each frame of mel is read, float [M], and how many of these count.

    As in the official code: frames are stretched linearly to another speed, then repeated to the rate of the
    mel; features beyond the duration, at most one frame, are 0.
    """
    frames = FRAMES_PER_TOKEN * tokens
    stretched = frames if speed == 1 else int(frames / speed) + 1
    count = int(stretched * mel_rate)
    # Officially a token lasts 2 + mel_rate frames of mel, a little more than it has in v3.
    duration = tokens * (FRAMES_PER_TOKEN + mel_rate)
    length = int(duration) if speed == 1 else int(duration / speed) + 1
    source = (torch.arange(count, dtype=torch.float64) / mel_rate).floor()
    places = ((source + 0.5) * (frames / stretched) - 0.5).clamp(min=0)
    return places.float(), min(length, count)
