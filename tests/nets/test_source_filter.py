"""The embedded family's vocoder: envelope and aperiodicity are what is heard, and the voice's own colour comes through."""

import pytest
import torch

from timbral.audio.source_filter import BANDS, SPEAKER
from timbral.nets.source_filter import (
    SourceFilterConfig,
    SourceFilterVocoder,
    envelope_frequencies,
    interpolation_matrix,
)
from timbral.nets.timbre_encoder import RATE, TimbreEncoder, band_centres, mean_spectrum

CONFIG = SourceFilterConfig(hidden=16, latent=8, vocoder_blocks=1)
FRAMES = 100


@pytest.fixture(scope="module")
def vocoder() -> SourceFilterVocoder:
    torch.manual_seed(0)
    return SourceFilterVocoder(CONFIG).eval()


def spoken(vocoder: SourceFilterVocoder, envelope: torch.Tensor, odds: float, f0: float) -> torch.Tensor:
    """Sound [n] of an envelope [points] that does not change."""
    pitch = torch.full((1, FRAMES), f0)
    phase = torch.remainder(torch.arange(FRAMES) * f0 * CONFIG.hop / CONFIG.rate, 1.0)[None]
    noise = torch.randn(1, FRAMES * CONFIG.hop, generator=torch.Generator().manual_seed(1))
    filters = vocoder.shaped(
        envelope.expand(1, FRAMES, -1), torch.full((1, FRAMES, CONFIG.aperiodicity), odds)
    )
    sound: torch.Tensor = vocoder.render(*filters, pitch, phase, noise)[0]
    return sound[4 * CONFIG.hop : -4 * CONFIG.hop]


def test_points_span_the_spectrum_and_interpolate_what_lies_on_a_line() -> None:
    places = envelope_frequencies(64, 24_000)
    assert places[0] == 0
    assert places[-1] == pytest.approx(12_000, abs=1)
    assert (places.diff() > 0).all()
    assert places[1] < 100 < places[-1] - places[-2]
    hertz = torch.linspace(0, 12_000, 481)
    torch.testing.assert_close(
        interpolation_matrix(places, hertz) @ (2 * places + 1), 2 * hertz + 1, rtol=1e-3, atol=1e-2
    )


def test_harmonics_and_noise_share_the_power_of_the_envelope(vocoder: SourceFilterVocoder) -> None:
    envelope = torch.randn(1, 5, CONFIG.envelope).clamp(-3, 3)
    harmonic, noise = vocoder.shaped(envelope, 3 * torch.randn(1, 5, CONFIG.aperiodicity))
    whole = torch.exp(2 * envelope @ vocoder.envelope_bins.T)
    torch.testing.assert_close(torch.exp(2 * harmonic) + torch.exp(2 * noise), whole)


def test_odds_decide_between_a_tone_and_noise(vocoder: SourceFilterVocoder) -> None:
    flat = torch.full((CONFIG.envelope,), -3.0)
    tone, hiss = (spoken(vocoder, flat, odds, 200.0) for odds in (-12.0, 12.0))
    period = CONFIG.rate // 200

    def repeats(sound: torch.Tensor) -> float:
        return float(torch.corrcoef(torch.stack([sound[:-period], sound[period:]]))[0, 1])

    assert repeats(tone) > 0.95
    assert abs(repeats(hiss)) < 0.2
    # The same envelope is about as loud either way.
    assert float(tone.square().mean() / hiss.square().mean()) == pytest.approx(1, abs=0.4)


def test_the_mean_spectrum_of_a_voice_is_added_to_what_the_network_says(vocoder: SourceFilterVocoder) -> None:
    latent, f0 = torch.randn(1, CONFIG.latent, FRAMES), torch.full((1, FRAMES), 150.0)
    plain = torch.randn(1, CONFIG.timbre)
    colour = torch.sin(torch.linspace(0, 3, BANDS))
    other = plain.clone()
    other[:, SPEAKER : SPEAKER + BANDS] += colour
    # Blocks begin without a condition, so only what is added differs.
    before, after = (vocoder.envelope(latent, timbre, f0)[0] for timbre in (plain, other))
    wanted = interpolation_matrix(band_centres(), envelope_frequencies(CONFIG.envelope, CONFIG.rate)) @ colour
    torch.testing.assert_close(after - before, wanted.expand_as(before), rtol=1e-4, atol=1e-4)


def test_a_recording_that_is_brighter_has_a_mean_spectrum_that_is_brighter() -> None:
    encoder = TimbreEncoder().eval()
    noise = torch.randn(1, 2 * RATE, generator=torch.Generator().manual_seed(2))
    spectrum = torch.fft.rfft(noise)
    hertz = torch.fft.rfftfreq(2 * RATE, 1 / RATE)
    bright = torch.fft.irfft(spectrum * (1 + 3 * (hertz > 3000)))
    with torch.inference_mode():
        dull, clear = (mean_spectrum(encoder(sound, torch.full((1, 1), 7.0)))[0] for sound in (noise, bright))
    high = band_centres() > 3200
    gained = clear - dull
    assert float(gained[high].mean() - gained[band_centres() < 2800].mean()) == pytest.approx(1.386, abs=0.1)
