"""Makes clean recordings sound as if somebody had made them at home: a room, a microphone, noise.

What hears a reference recording learns from synthetic and studio speech; real ones would be foreign to it. All of it is computed
in the spectrum, a batch at once, on the device of the samples.
"""

import math

import torch
from torch import Tensor

TAIL = 0.6
"""Seconds of a room's response."""
DRY = 0.4
"""Share of the recordings that stay without a room."""
DECAY = (0.15, 0.7)
"""Seconds until a room is 60 dB quieter."""
DIRECT = (0.0, 18.0)
"""Level in dB of the direct sound above the room's."""
NOISE = (10.0, 60.0)
"""Level in dB of the speech above the noise."""
COLOUR = (-6.0, 0.0)
"""Slope of the noise in dB an octave."""
EQUALISER = 2.5
"""Deviation in dB of each of the four cosines over the octaves that a microphone changes the spectrum by."""


def degraded(audio: Tensor, rate: int, generator: torch.Generator | None = None) -> Tensor:
    """Samples [batch, n], each in a room of its own. generator: of the device of the samples; torch's own without it.

    A room is noise that dies away exponentially (Polack 1988), some milliseconds behind the direct sound.
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
    heard = torch.fft.irfft(spectrum * 10 ** (decibels / 20), size)[:, :count]

    noise = torch.randn(batch, size, device=device, generator=generator)
    coloured = torch.fft.irfft(torch.fft.rfft(noise) * 10 ** (uniform(*COLOUR) * octaves / 20), size)[
        :, :count
    ]
    level = _level(heard) * 10 ** (-uniform(*NOISE) / 20) / _level(coloured).clamp_min(1e-9)
    return heard + level * coloured


def _level(audio: Tensor) -> Tensor:
    return audio.square().mean(1, keepdim=True).sqrt()
