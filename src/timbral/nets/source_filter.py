"""Stage two of sovits-tiny: semantic tokens to audio by a neural source-filter model.

`LatentNet` maps tokens (25 Hz), phones and a timbre vector to latent frames and F0 (100 Hz).
`SourceFilterVocoder` maps latent frames to the spectral envelope and aperiodicity of WORLD (Morise et al.
2016), filters a harmonic source at F0 and a noise source in the short-time Fourier domain, and returns
samples by overlap-add. The envelope is smooth, since the harmonics are in the source, so a few dozen
frequencies describe it. Related work: DDSP (Engel et al. 2020), neural source-filter models (Wang et al.
2019), and Vocos (Siuzdak 2023) for ConvNeXt blocks.

Both networks are convolutional: a frame depends on `SourceFilterConfig.context_tokens` tokens on either side,
so windows of a stream give the same samples as the whole. Noise and phase are inputs, so both are
deterministic.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.audio.mel_axis import interpolation, mel_points
from timbral.audio.source_filter import ALIASING, KERNEL_WIDTH, LOUDNESS, NEAR, PRIOR_COUNT
from timbral.nets.convnext import FilmConvNextBlock
from timbral.nets.fourier import ShortTimeFourier
from timbral.nets.timbre_encoder import band_centres, mean_spectrum

EDGE = 2
"""Frames on either side that overlap-add depends on."""


def envelope_frequencies(count: int, rate: int) -> Tensor:
    """Frequencies [count] in Hz of an envelope, evenly spaced from 0 to Nyquist on a mel axis."""
    return torch.from_numpy(mel_points(count, rate / 2)).float()


def interpolation_matrix(known: Tensor, wanted: Tensor) -> Tensor:
    """Matrix [wanted, known] of linear interpolation between frequencies, constant beyond the outermost ones."""
    return torch.from_numpy(interpolation(known.double().numpy(), wanted.double().numpy())).float()


def apply_residuals(envelope: Tensor, residuals: Tensor) -> Tensor:
    """Envelopes [batch, F, points] plus the residuals of a voice [batch, n, 2, points]: pairs of envelope
    shape and correction.

    Kernel regression (Nadaraya 1964, Watson 1964): the correction is that of similar shapes, or else the mean
    one.
    """
    known, corrections = residuals.unbind(2)
    shape = envelope - envelope.mean(2, keepdim=True)
    squares = shape.square().sum(2)[:, :, None] + known.square().sum(2)[:, None]
    distance = (squares - 2 * shape @ known.transpose(1, 2)) / shape.shape[2]
    weights = torch.exp(distance / (-2 * KERNEL_WIDTH**2))
    mean = PRIOR_COUNT * corrections.mean(1, keepdim=True)
    return envelope + (weights @ corrections + mean) / (weights.sum(2, keepdim=True) + PRIOR_COUNT)


@dataclass(frozen=True)
class SourceFilterConfig:
    """Sizes of stage two.

    vocabulary: semantic tokens with the end token, which marks an unknown token. phonemes: number of phones,
    0 for a network without phone input. timbre: size of the timbre vector. hidden: width of all blocks.
    token_blocks, frame_blocks, vocoder_blocks: ConvNeXt blocks at 25 Hz, at 100 Hz and after the latent;
    kernel, expansion: of these. condition: width of what the timbre vector becomes. envelope, aperiodicity:
    number of frequencies. rate: in Hz. hop: samples per frame. passes: how often `LatentNet.speak` runs the
    network; 1 for a student that has learned the result of both passes of its teacher.
    """

    vocabulary: int = 2048
    phonemes: int = 0
    timbre: int = 417
    hidden: int = 320
    latent: int = 192
    token_blocks: int = 3
    frame_blocks: int = 5
    vocoder_blocks: int = 3
    kernel: int = 7
    token_kernel: int = 5
    expansion: int = 3
    condition: int = 256
    envelope: int = 64
    aperiodicity: int = 16
    rate: int = 24_000
    hop: int = 240
    frames_per_token: int = 4
    passes: int = 2

    @property
    def window(self) -> int:
        """Samples of a Fourier frame."""
        return 4 * self.hop

    @property
    def reach(self) -> int:
        """Receptive field of the vocoder in frames, on either side."""
        return (self.vocoder_blocks + 1) * (self.kernel // 2) + EDGE

    @property
    def context_tokens(self) -> int:
        """Receptive field of both networks in tokens, on either side."""
        frames = (self.frame_blocks + 1) * (self.kernel // 2) + self.reach
        return self.token_blocks * (self.token_kernel // 2) + math.ceil(frames / self.frames_per_token)


class TimbreProjection(nn.Module):
    """Timbre vector [batch, timbre] → [batch, condition]."""

    def __init__(self, config: SourceFilterConfig) -> None:
        super().__init__()
        hidden = config.condition
        self.layers = nn.Sequential(
            nn.Linear(config.timbre, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, hidden)
        )

    def forward(self, timbre: Tensor) -> Tensor:
        condition: Tensor = self.layers(timbre)
        return condition


class SpokenPhones(nn.Module):
    """Embeds the phones [batch, T, 2] of both halves of each token → [batch, T, hidden].

    The number `phonemes` is an unknown phone. Initially zero, so that it can be added to a trained network.
    """

    def __init__(self, phonemes: int, hidden: int, width: int = 96) -> None:
        super().__init__()
        self.table = nn.Embedding(phonemes + 1, width)
        self.mix = nn.Linear(2 * width, hidden)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def forward(self, phones: Tensor) -> Tensor:
        spoken: Tensor = self.mix(self.table(phones).flatten(2))
        return spoken


class LatentNet(nn.Module):
    """Tokens [batch, T], timbre [batch, D] and phones [batch, T, 2] → latent [batch, C, 4 T] and F0 in Hz
    [batch, 4 T].

    Phones are those of both halves of each token. The last entry of the timbre vector is the mean log2 F0 of
    the speaker; the network predicts the deviation from it.
    """

    def __init__(self, config: SourceFilterConfig) -> None:
        super().__init__()
        self.config = config
        hidden, condition = config.hidden, config.condition
        self.timbre = TimbreProjection(config)
        self.tokens = nn.Embedding(config.vocabulary, hidden)
        self.phones = SpokenPhones(config.phonemes, hidden) if config.phonemes else None
        self.token_blocks = nn.ModuleList(
            FilmConvNextBlock(hidden, config.token_kernel, config.expansion, condition)
            for _ in range(config.token_blocks)
        )
        self.spread = nn.Linear(hidden, config.frames_per_token * hidden)
        self.frame_blocks = nn.ModuleList(
            FilmConvNextBlock(hidden, config.kernel, config.expansion, condition)
            for _ in range(config.frame_blocks)
        )
        self.to_latent = nn.Conv1d(hidden, config.latent, 1)
        self.to_pitch = nn.Sequential(
            nn.Conv1d(hidden, 64, 7, padding=3), nn.GELU(approximate="tanh"), nn.Conv1d(64, 1, 1)
        )

    def forward(self, tokens: Tensor, timbre: Tensor, phones: Tensor | None = None) -> tuple[Tensor, Tensor]:
        condition = self.timbre(timbre)
        x = self.tokens(tokens)
        if self.phones is not None:
            unknown = torch.full((*tokens.shape, 2), self.config.phonemes, device=tokens.device)
            x = x + self.phones(unknown if phones is None else phones)
        x = x.transpose(1, 2)
        for block in self.token_blocks:
            x = block(x, condition)
        spread: Tensor = self.spread(x.transpose(1, 2))
        x = spread.reshape(len(spread), -1, self.config.hidden).transpose(1, 2)
        for block in self.frame_blocks:
            x = block(x, condition)
        octaves = (self.to_pitch(x)[:, 0] + timbre[:, -1:]).clamp(5.5, 9.5)
        return self.to_latent(x), torch.exp2(octaves)

    def speak(self, tokens: Tensor, timbre: Tensor, phones: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, for sampled tokens and known phones: phones alone determine the latent, tokens affect
        F0 only.

        Sampled tokens may have wrong phones or tones, while phones alone give a flat F0. F0 is the geometric
        mean with and without tokens. A network of one pass has learned this result.
        """
        if self.config.passes == 1:
            latent, f0 = self(tokens, timbre, phones)
            return latent, f0
        unknown = torch.full_like(tokens, self.config.vocabulary - 1)
        latent, f0 = self(torch.cat([tokens, unknown]), timbre.repeat(2, 1), phones.repeat(2, 1, 1))
        return latent[len(tokens) :], (f0[: len(tokens)] * f0[len(tokens) :]).sqrt()


class MinimumPhase(nn.Module):
    """Log magnitudes [..., bins] (0 to Nyquist) → phases [..., bins] of the minimum-phase filters.

    The phase is the Hilbert transform of the log magnitude (Oppenheim and Schafer, Discrete-Time Signal
    Processing, ch. 13): the sine series of the cepstrum, which is the cosine series of the log magnitude. Both
    series are one product, whose matrix is computed from one period of a cosine.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins
        size = 2 * (bins - 1)
        turn = 2 * math.pi * torch.arange(size, dtype=torch.float64) / size
        self.register_buffer("wave", torch.cos(turn).float(), persistent=False)
        weight = torch.full((bins,), 2.0 / size)
        weight[0] = weight[-1] = 1.0 / size
        self.register_buffer("weight", weight, persistent=False)
        self.wave: Tensor
        self.weight: Tensor

    def forward(self, magnitudes: Tensor) -> Tensor:
        size = 2 * (self.bins - 1)
        place = torch.arange(self.bins, device=self.wave.device)
        turns = torch.outer(place, place)
        cosine = self.wave[torch.remainder(turns, size)]
        sine = self.wave[torch.remainder(turns - size // 4, size)]
        phases: Tensor = magnitudes @ ((self.weight[:, None] * cosine) @ (-2 * sine))
        return phases


class SourceFilterVocoder(nn.Module):
    """Latent [batch, C, F], timbre [batch, D], F0 in Hz, phase in cycles, both [batch, F], and noise →
    samples, [batch, F * hop].

    phase[t]: of the harmonic source at the first sample of frame t. Residuals of the voice: see
    `apply_residuals`.
    """

    def __init__(self, config: SourceFilterConfig) -> None:
        super().__init__()
        self.config = config
        hidden, condition, bins = config.hidden, config.condition, config.window // 2 + 1
        self.timbre = TimbreProjection(config)
        self.from_latent = nn.Conv1d(config.latent + 1, hidden, config.kernel, padding=config.kernel // 2)
        self.blocks = nn.ModuleList(
            FilmConvNextBlock(hidden, config.kernel, config.expansion, condition)
            for _ in range(config.vocoder_blocks)
        )
        self.norm = nn.LayerNorm(hidden)
        self.to_envelope = nn.Linear(hidden, config.envelope)
        self.to_aperiodicity = nn.Linear(hidden, config.aperiodicity)
        nn.init.normal_(self.to_envelope.weight, std=0.01)
        nn.init.normal_(self.to_aperiodicity.weight, std=0.01)
        nn.init.constant_(self.to_envelope.bias, -4.0)
        hertz = torch.linspace(0, config.rate / 2, bins)
        self.register_buffer(
            "envelope_bins",
            interpolation_matrix(envelope_frequencies(config.envelope, config.rate), hertz),
            False,
        )
        self.register_buffer(
            "aperiodicity_bins",
            interpolation_matrix(envelope_frequencies(config.aperiodicity, config.rate), hertz),
            False,
        )
        self.register_buffer(
            "colour",
            interpolation_matrix(band_centres(), envelope_frequencies(config.envelope, config.rate)),
            persistent=False,
        )
        self.envelope_bins: Tensor
        self.aperiodicity_bins: Tensor
        self.colour: Tensor
        self.fourier = ShortTimeFourier(config.hop)
        self.minimum_phase = MinimumPhase(bins)

    def phase(self, f0: Tensor, initial: Tensor) -> Tensor:
        """Phase in cycles [batch, F] at the first sample of each frame, from the initial phase [batch, 1]."""
        following = torch.cat([f0[:, 1:], f0[:, -1:]], 1)
        cycles = (f0 + following) * 0.5 * self.config.hop / self.config.rate
        return torch.remainder(initial + torch.cumsum(cycles, 1) - cycles, 1.0)

    def harmonics(self, f0: Tensor, phase: Tensor) -> Tensor:
        """Sum of all harmonics up to Nyquist with equal amplitudes and unit power: [batch, F * hop]."""
        hop, rate = self.config.hop, self.config.rate
        following = torch.cat([f0[:, 1:], f0[:, -1:]], 1)
        i = torch.arange(hop, device=f0.device, dtype=f0.dtype)
        cycles = (
            phase[..., None] + (f0[..., None] * i + (following - f0)[..., None] * i * i / (2 * hop)) / rate
        )
        cycles = (cycles - torch.floor(cycles + 0.5)).flatten(1)
        count = torch.floor(ALIASING * rate / f0).repeat_interleave(hop, 1)
        half = torch.sin(math.pi * cycles)
        near = half.abs() < NEAR
        ratio = torch.sin(math.pi * (2 * count + 1) * cycles) / torch.where(near, torch.ones_like(half), half)
        return (torch.where(near, 2 * count + 1, ratio) - 1) * torch.rsqrt(2 * count)

    def envelope(self, latent: Tensor, timbre: Tensor, f0: Tensor) -> tuple[Tensor, Tensor]:
        """Log magnitude of the spectrum [batch, F, envelope] and log odds of noise [batch, F, aperiodicity].

        The network predicts the difference from the mean spectrum in the timbre vector, so unseen voices and
        microphones keep their spectral colour.
        """
        condition = self.timbre(timbre)
        x = self.from_latent(torch.cat([latent, torch.log2(f0)[:, None] - 7.5], 1))
        for block in self.blocks:
            x = block(x, condition)
        x = self.norm(x.transpose(1, 2))
        mean = mean_spectrum(timbre) @ self.colour.T
        return self.to_envelope(x) + mean[:, None], self.to_aperiodicity(x)

    def shaped(self, envelope: Tensor, aperiodicity: Tensor) -> tuple[Tensor, Tensor]:
        """What `envelope` returns → log magnitudes of the harmonic and of the noise filter, each [batch, F,
        bins].
        """
        whole, noise = envelope @ self.envelope_bins.T, aperiodicity @ self.aperiodicity_bins.T
        harmonic = whole - 0.5 * F.softplus(noise)
        # softplus(-x) = softplus(x) - x
        return harmonic.clamp(*LOUDNESS), (harmonic + 0.5 * noise).clamp(*LOUDNESS)

    def render(
        self, to_harmonic: Tensor, to_noise: Tensor, f0: Tensor, phase: Tensor, noise: Tensor
    ) -> Tensor:
        """Filters [batch, F, bins] applied to the sources → samples [batch, F * hop]."""
        angle = self.minimum_phase(to_harmonic.detach())
        gain = torch.exp(to_harmonic)
        cosine, sine = gain * torch.cos(angle), gain * torch.sin(angle)
        real, imaginary = self.fourier.analyse(self.harmonics(f0, phase))
        rough, rough_imaginary = self.fourier.analyse(noise)
        loud = torch.exp(to_noise)
        return self.fourier.synthesise(
            real * cosine - imaginary * sine + loud * rough,
            real * sine + imaginary * cosine + loud * rough_imaginary,
        )

    def forward(
        self,
        latent: Tensor,
        timbre: Tensor,
        f0: Tensor,
        phase: Tensor,
        noise: Tensor,
        residuals: Tensor | None = None,
    ) -> Tensor:
        envelope, aperiodicity = self.envelope(latent, timbre, f0)
        if residuals is not None:
            envelope = apply_residuals(envelope, residuals)
        return self.render(*self.shaped(envelope, aperiodicity), f0, phase, noise)


class EnvelopePredictor(nn.Module):
    """Envelopes that stage two predicts for a recording: tokens [batch, T], timbre, F0 [batch, F] in Hz or 0
    → [batch, F, points].
    """

    def __init__(self, latent: LatentNet, vocoder: SourceFilterVocoder) -> None:
        super().__init__()
        self.latent, self.vocoder = latent, vocoder

    def forward(self, tokens: Tensor, timbre: Tensor, f0: Tensor) -> Tensor:
        latent, predicted = self.latent(tokens, timbre)
        envelope, _ = self.vocoder.envelope(latent, timbre, f0.where(f0 > 0, predicted))
        return envelope
