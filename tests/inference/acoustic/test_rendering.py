"""Envelopes to samples in numpy: what the network computes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from timbral.audio.measures import relative_error
from timbral.inference.acoustic.rendering import FilteredSource, apply_residuals

torch = pytest.importorskip("torch")

from timbral.nets.source_filter import SourceFilterConfig, SourceFilterVocoder  # noqa: E402
from timbral.nets.source_filter import apply_residuals as residuals_of_torch  # noqa: E402

CONFIGS = {
    "24 kHz": SourceFilterConfig(),
    "16 kHz, other sizes": SourceFilterConfig(rate=16_000, hop=160, envelope=40, aperiodicity=8),
}


def tensor(values: NDArray[np.float32]) -> "torch.Tensor":
    return torch.from_numpy(values)[None]


@pytest.mark.parametrize("frames", [1, 2, 50])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_samples_are_those_of_the_network(config: SourceFilterConfig, frames: int) -> None:
    rng = np.random.default_rng(frames)

    def normal(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape).astype(np.float32)

    envelope, aperiodicity = 2 * normal(frames, config.envelope) - 3, 3 * normal(frames, config.aperiodicity)
    f0 = (120 + 60 * rng.random(frames)).astype(np.float32)
    phase = rng.random(frames).astype(np.float32)
    phase[0] = 0  # where the ratio of sines has its limit
    given = f0, phase, normal(frames * config.hop)
    network = SourceFilterVocoder(config)
    with torch.inference_mode():
        filters = network.shaped(tensor(envelope), tensor(aperiodicity))
        expected = network.render(*filters, *map(tensor, given))[0].numpy()
    source = FilteredSource(config.hop, config.rate, config.envelope, config.aperiodicity)
    found = source.render(envelope, aperiodicity, *given)
    assert found.dtype == np.float32
    assert found.shape == expected.shape == (frames * config.hop,)
    assert relative_error(found, expected) < 1e-4


def test_residuals_are_those_of_the_network() -> None:
    rng = np.random.default_rng(0)
    envelope, residuals = (
        (rng.standard_normal(shape) / 4).astype(np.float32) for shape in ((30, 64), (9, 2, 64))
    )
    expected = residuals_of_torch(tensor(envelope), tensor(residuals))[0].numpy()
    assert relative_error(apply_residuals(envelope, residuals), expected) < 1e-5
    assert np.array_equal(apply_residuals(envelope, np.zeros((1, 2, 64), np.float32)), envelope)
