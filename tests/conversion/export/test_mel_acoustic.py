"""Stage two of v3 and v4 through onnxruntime: the exported graphs give what the networks give."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from tests.helpers.mel_acoustic_models import golden_of, small_network, small_vocoder
from tests.helpers.nets_weights import golden_arrays, random_floats, relative_error
from timbral.models.files import CONDITION, FEATURES, FLOW, MEL, TIMBRE, VOCODER
from timbral.nets.mel_acoustic import MEL_FAMILIES, mel_places
from timbral.nets.spectrogram import (
    denormalized,
    linear_spectrogram,
    normalized,
)

families = pytest.mark.parametrize("family", ["v3", "v4"])


def run(folder: Path, name: str, **inputs: Any) -> list[Tensor]:
    session = onnxruntime.InferenceSession(folder / name)
    arrays = {key: np.asarray(value) for key, value in inputs.items()}
    return [torch.from_numpy(array) for array in session.run(None, arrays)]


@families
def test_features(mel_graphs: dict[str, Path], family: str) -> None:
    golden = golden_of(family)
    for speed, name in ((1.0, "fea"), (1.25, "fea_speed1.25")):
        places, length = mel_places(10, MEL_FAMILIES[family].mel_rate, speed)
        (features,) = run(
            mel_graphs[family],
            FEATURES,
            tokens=golden["codes"][0],
            phones=golden["text"],
            timbre=golden["ge"][:, :, 0],
            places=places,
            length=[length],
        )
        assert relative_error(features, golden[name]) < 1e-3


@families
@pytest.mark.parametrize(("name", "known"), [("cond", 1.0), ("uncond", 0.0)])
def test_velocity(mel_graphs: dict[str, Path], family: str, name: str, known: float) -> None:
    """The first row of the golden batch, which has no padding."""
    golden = golden_of(family)
    condition, rotation = run(
        mel_graphs[family],
        CONDITION,
        prompt=known * golden["dit_prompt"][:1],
        features=known * golden["fea"],
    )
    (velocity,) = run(
        mel_graphs[family],
        FLOW,
        mel=golden["dit_x"][:1],
        condition=condition,
        rotation=rotation,
        time=golden["dit_t"][:1],
        step=golden["dit_d"][:1],
    )
    assert relative_error(velocity.transpose(1, 2), golden[f"dit_{name}"][:1]) < 1e-3


@families
@pytest.mark.parametrize("frames", [1, 130])
@torch.inference_mode()
def test_vocoder(mel_graphs: dict[str, Path], family: str, frames: int) -> None:
    mel = random_floats(1, 1, 100, frames) / 2
    (audio,) = run(mel_graphs[family], VOCODER, mel=mel)
    expected = small_vocoder(family)(denormalized(mel))[:, 0]
    assert expected.std() > 1e-3
    assert relative_error(audio, expected) < 1e-3


@torch.inference_mode()
def test_mel_and_timbre_of_a_reference(mel_graphs: dict[str, Path]) -> None:
    golden = golden_arrays("mel.npz")
    (mel,) = run(mel_graphs["v3"], MEL, audio=golden["wav24k"][None])
    assert relative_error(mel, normalized(golden["mel100_24k_v3"])) < 1e-3
    audio = golden["wav32k"][None]
    (timbre,) = run(mel_graphs["v3"], TIMBRE, audio=audio)
    expected = small_network().timbre(linear_spectrogram(audio))
    assert relative_error(timbre, expected[:, :, 0]) < 1e-3
