"""Fourier transforms by two small products: those of torch, in both directions."""

import pytest

torch = pytest.importorskip("torch")

from timbral.nets.fourier import RealFourier, ShortTimeFourier, factors  # noqa: E402


@pytest.mark.parametrize("size", [640, 960, 1024])
def test_it_is_the_fourier_transform_of_real_frames(size: int) -> None:
    frames = torch.randn(2, 3, size)
    transform = RealFourier(*factors(size))
    real, imaginary = transform(frames)
    wanted = torch.fft.rfft(frames)
    torch.testing.assert_close(real, wanted.real, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(imaginary, wanted.imag, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(transform.inverse(real, imaginary), frames, atol=1e-5, rtol=1e-4)


def test_what_is_analysed_is_synthesised_again() -> None:
    samples = torch.randn(2, 12 * 160)
    fourier = ShortTimeFourier(160)
    again = fourier.synthesise(*fourier.analyse(samples))
    inner = slice(3 * 160, -3 * 160)
    torch.testing.assert_close(again[:, inner], samples[:, inner], atol=1e-5, rtol=1e-4)
