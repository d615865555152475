"""Degrades clean recordings to the quality of home recordings: reverberation, frequency response of a
microphone, noise.

The content encoder is trained on synthetic and studio speech, but gets home recordings. All effects are
computed in the spectrum, for a batch on the device of the samples.
"""

import math

import torch
from torch import Tensor

TAIL = 0.6
"""Length of a room impulse response in seconds."""
DRY = 0.4
"""Share of the recordings without reverberation."""
DECAY = (0.15, 0.7)
"""Reverberation time (RT60) in seconds."""
DIRECT = (0.0, 18.0)
"""Direct-to-reverberant ratio in dB."""
NOISE = (10.0, 60.0)
"""Signal-to-noise ratio in dB."""
COLOUR = (-6.0, 0.0)
"""Slope of the noise spectrum in dB per octave."""
EQUALISER = 2.5
"""Standard deviation in dB of each of the four cosines over octaves in the response of a microphone."""


def degraded(audio: Tensor, rate: int, generator: torch.Generator | None = None) -> Tensor:
    """Degrades samples [batch, n], each row differently. generator: on the device of the samples, by default
    that of torch.

    An impulse response is exponentially decaying noise (Polack 1988), some milliseconds after the direct
    sound.
    """
    batch, count = audio.shape
    device = audio.device

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, 1, device=device, generator=generator)

    size = count + int(TAIL * rate)
    hertz = torch.fft.rfftfreq(size, 1 / rate, device=device).clamp_min(30.0)
    octaves = torch.log2(hertz / 30)

    time = torch.arange(int(TAIL * rate), device=device) / rate
    tail = torch.randn(batch, len(time), device=device, generator=generator)
    tail = tail * torch.exp(-math.log(1000) * time / uniform(*DECAY)) * (time > uniform(0.002, 0.015))
    tail = tail / tail.square().sum(1, keepdim=True).clamp_min(1e-9).sqrt()
    wet = 10 ** (-uniform(*DIRECT) / 20) * (uniform(0, 1) > DRY)
    spectrum = torch.fft.rfft(audio, size) * (1 + wet * torch.fft.rfft(tail, size))

    decibels = torch.zeros(batch, len(hertz), device=device)
    for waves in (1, 2, 3, 4):
        depth = EQUALISER * torch.randn(batch, 1, device=device, generator=generator)
        decibels += depth * torch.cos(math.pi * waves * octaves / octaves[-1] + uniform(0, 2 * math.pi))
    filtered = torch.fft.irfft(spectrum * 10 ** (decibels / 20), size)[:, :count]

    noise = torch.randn(batch, size, device=device, generator=generator)
    coloured = torch.fft.irfft(torch.fft.rfft(noise) * 10 ** (uniform(*COLOUR) * octaves / 20), size)[
        :, :count
    ]
    level = _level(filtered) * 10 ** (-uniform(*NOISE) / 20) / _level(coloured).clamp_min(1e-9)
    return filtered + level * coloured


def _level(audio: Tensor) -> Tensor:
    return audio.square().mean(1, keepdim=True).sqrt()
