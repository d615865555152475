"""What a recording has that stage two would not say: envelopes that are measured, and what is remembered of them."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from timbral.audio.mel_axis import interpolation, mel_points
from timbral.audio.source_filter import KERNEL_WIDTH, PRIOR_COUNT
from timbral.inference.acoustic.envelope import SIZE, spectral_envelope
from timbral.inference.acoustic.residuals import TOP, residuals
from timbral.nets.source_filter import apply_residuals, envelope_frequencies, interpolation_matrix

RATE, HOP, HALF = 16_000, 160, SIZE // 2 + 1
HERTZ = np.linspace(0, RATE / 2, HALF)
VOWEL = -HERTZ / 4000 + np.exp(-(((HERTZ - 700) / 300) ** 2)) + np.exp(-(((HERTZ - 2400) / 400) ** 2))
"""Log magnitudes of a sound with two formants."""


def sung(f0: float, seconds: float = 1.0) -> NDArray[np.float32]:
    """Harmonics of F0 with the envelope of the vowel, of a random phase each."""
    t = np.arange(int(seconds * RATE)) / RATE
    chance = np.random.default_rng(1)
    sound = np.zeros(len(t))
    for n in range(1, int(RATE / 2 / f0)):
        level = np.exp(np.interp(n * f0, HERTZ, VOWEL))
        sound += level * np.cos(2 * np.pi * (n * f0 * t + chance.random()))
    return (0.01 * np.sqrt(f0) * sound).astype(np.float32)


def measured(sound: NDArray[np.float32], f0: float) -> NDArray[np.float64]:
    frames = len(sound) // HOP
    return spectral_envelope(sound, np.full(frames, f0, np.float32), RATE, HOP)


@pytest.mark.parametrize("f0", [90.0, 130.0, 220.0, 320.0])
def test_an_envelope_is_measured_whatever_the_pitch(f0: float) -> None:
    found = measured(sung(f0), f0)
    assert found.shape == (100, HALF)
    inside, heard = found[5:-5], slice(int(f0 / HERTZ[1]), int(7000 / HERTZ[1]))
    # Where in a period a window lies makes no difference.
    assert inside[:, heard].std(0).max() < 0.1
    difference = inside.mean(0)[heard] - VOWEL[heard]
    assert np.abs(difference - np.median(difference)).mean() < 0.12


def test_a_louder_sound_has_a_higher_envelope_of_the_same_shape() -> None:
    sound = sung(120.0)
    np.testing.assert_allclose(
        measured(3 * sound, 120.0)[5:-5], measured(sound, 120.0)[5:-5] + np.log(3), atol=1e-3
    )


def test_noise_and_silence_have_envelopes_too() -> None:
    noise = np.random.default_rng(2).standard_normal(4 * RATE).astype(np.float32)
    flat = measured(noise, 0.0).mean(0)
    assert np.ptp(flat[10:-10]) < 0.4
    assert np.isfinite(measured(np.zeros(RATE, np.float32), 0.0)).all()
    assert np.isfinite(measured(sung(120.0), 20.0)).all()


def test_residuals_are_what_is_missing_where_somebody_speaks() -> None:
    count, top, group, known = 64, 12_000.0, 4, mel_points(64, 12_000.0)
    heard = known <= TOP
    tilt = np.where(heard, 0.4 * np.sin(known / 900), 0.0)
    spectrum = np.interp(HERTZ, known, 0.5 * np.cos(known / 1500)) + np.interp(HERTZ, known, tilt)
    loud = np.repeat([0.0, -6.0, 0.0, -6.0, -0.5], group)
    found = residuals(
        spectrum + loud[:, None],
        (0.5 * np.cos(known / 1500) + np.zeros((5 * group, 1))).astype(np.float32),
        RATE,
        top,
        group,
    )
    # Pauses are left out.
    assert found.shape == (3, 2, count)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0].mean(1), 0, atol=1e-5)
    wanted = tilt[heard] - tilt[heard].mean()
    np.testing.assert_allclose(found[:, 1, heard], np.tile(wanted, (3, 1)), atol=0.05)
    # Above what recordings have, the network is believed.
    assert not found[:, 1, -3:].any()


def test_a_recording_without_a_loud_sound_has_residuals_all_the_same() -> None:
    clicks = np.full((40, HALF), -9.0)
    clicks[::8] = 0.0
    assert len(residuals(clicks, np.zeros((40, 64), np.float32), RATE, 12_000.0, 4)) > 0


def test_an_envelope_is_moved_by_what_like_ones_lacked() -> None:
    chance = torch.Generator().manual_seed(3)
    envelope = torch.randn(1, 6, 64, generator=chance)
    known = envelope[0, :3] - envelope[0, :3].mean(1, keepdim=True)
    lacking = torch.randn(3, 64, generator=chance)
    memory = torch.stack([known, lacking], 1)[None]
    moved = apply_residuals(envelope, memory) - envelope
    usual = lacking.mean(0)
    # Its own residual and the usual one; all others are far away.
    torch.testing.assert_close(
        moved[0, :3], (lacking + PRIOR_COUNT * usual) / (1 + PRIOR_COUNT), rtol=1e-3, atol=1e-3
    )
    torch.testing.assert_close(moved[0, 3:], usual.expand(3, 64), rtol=1e-3, atol=1e-3)
    # Louder is the same sound.
    torch.testing.assert_close(
        apply_residuals(envelope + 2, memory), envelope + 2 + moved, rtol=1e-3, atol=1e-3
    )
    near = envelope + KERNEL_WIDTH * torch.randn(envelope.shape, generator=chance)
    share = (apply_residuals(near, memory) - near - usual)[0, :3] @ (lacking - usual).T
    assert (share.diagonal() > 0).all()


def test_no_residuals_move_nothing() -> None:
    envelope = torch.randn(2, 9, 64)
    torch.testing.assert_close(apply_residuals(envelope, torch.zeros(2, 1, 2, 64)), envelope)


def test_measuring_and_speaking_know_envelopes_at_the_same_points() -> None:
    np.testing.assert_allclose(envelope_frequencies(64, 24_000).numpy(), mel_points(64, 12_000.0), rtol=1e-6)
    np.testing.assert_allclose(
        interpolation_matrix(envelope_frequencies(64, 24_000), torch.from_numpy(HERTZ)).numpy(),
        interpolation(mel_points(64, 12_000.0), HERTZ),
        atol=1e-5,
    )
