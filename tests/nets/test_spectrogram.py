"""Spectrograms against those of the official code."""

import torch

from tests.helpers.nets_weights import golden_arrays, relative_error
from timbral.nets.spectrogram import (
    TIMBRE,
    V3,
    V4,
    MelSpectrogram,
    denormalized,
    linear_spectrogram,
    log_mel,
    normalized,
)


def test_linear_and_mel_spectrograms() -> None:
    golden = golden_arrays("mel.npz")
    wave = {24000: golden["wav24k"][None], 32000: golden["wav32k"][None]}
    linear = linear_spectrogram(wave[TIMBRE.rate], TIMBRE)
    assert relative_error(linear, golden["spec32k_2048_640"]) < 1e-4
    assert relative_error(log_mel(linear, TIMBRE), golden["mel128_32k"]) < 1e-4
    for config, name in ((V3, "mel100_24k_v3"), (V4, "mel100_32k_v4")):
        mel = log_mel(linear_spectrogram(wave[config.rate], config), config)
        assert relative_error(mel, golden[name]) < 1e-4


def test_the_exported_spectrogram_is_the_same() -> None:
    golden = golden_arrays("mel.npz")
    for config, name in ((V3, "mel100_24k_v3"), (V4, "mel100_32k_v4")):
        wave = golden["wav24k" if config is V3 else "wav32k"][None]
        assert relative_error(MelSpectrogram(config)(wave), golden[name]) < 1e-3


def test_a_batch_is_its_rows() -> None:
    samples = golden_arrays("mel.npz")["wav32k"][:25600].view(2, -1)
    both = linear_spectrogram(samples)
    assert both.shape == (2, 1025, 20)
    assert torch.allclose(both[1:], linear_spectrogram(samples[1:]), atol=1e-6)


def test_normalised_mel_lies_between_minus_one_and_one() -> None:
    mel = torch.tensor([-12.0, -5.0, 2.0])
    assert torch.equal(normalized(mel), torch.tensor([-1.0, 0.0, 1.0]))
    assert torch.allclose(denormalized(normalized(mel)), mel)
