"""The engine's solver over exported graphs gives what the networks give by the official loop."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.helpers.mel_acoustic_models import golden_of, small_network, small_vocoder
from tests.helpers.nets_weights import random_floats, relative_error
from timbral.errors import SettingError
from timbral.inference.acoustic import flow_matching
from timbral.inference.acoustic.flow_matching import V3, V4, FlowConfig, FlowDecoder, MelReference
from timbral.inference.seeds import noise
from timbral.inference.sessions import SessionOptions
from timbral.nets.mel_acoustic import mel_places
from timbral.nets.spectrogram import denormalized

CPU = SessionOptions(device="cpu", threads=1)
CONFIGS = {
    "v3": replace(V3, reference_frames=14, chunk_frames=30, steps=3),
    "v4": replace(V4, reference_frames=16, chunk_frames=31, steps=2),
}
Ids = NDArray[np.int64]


def opened(folder: Path, config: FlowConfig) -> FlowDecoder:
    paths = (folder / f"{name}.onnx" for name in ("features", "condition", "flow", "vocoder"))
    return FlowDecoder.open(*paths, config, CPU)


@pytest.fixture(scope="module")
def decoders(mel_graphs: dict[str, Path]) -> dict[str, FlowDecoder]:
    return {family: opened(mel_graphs[family], config) for family, config in CONFIGS.items()}


def spoken(count: int, seed: int) -> tuple[Ids, Ids]:
    """Tokens [count] and phones."""
    random = np.random.default_rng(seed)
    return random.integers(0, 1024, count), random.integers(0, 732, count // 2 + 1)


def timbre(family: str) -> Tensor:
    return golden_of(family)["ge"]


def a_reference(decoder: FlowDecoder, family: str, frames: int = 20) -> MelReference:
    mel = random_floats(7, 100, frames).numpy() / 2
    return decoder.reference(mel, timbre(family)[0, :, 0].numpy(), *spoken(8, seed=1))


def official_mel(family: str, tokens: Ids, phones: Ids, seed: int, speed: float, frames: int) -> Tensor:
    """The loop of the official code over the networks, with the engine's noise."""
    config, model, ge = CONFIGS[family], small_network(), timbre(family)

    def features_of(tokens: Ids, phones: Ids, speed: float) -> Tensor:
        prior = model.prior(torch.from_numpy(tokens)[None], torch.from_numpy(phones)[None], ge)
        places, length = mel_places(len(tokens), config.mel_rate, speed)
        return model.features(prior, ge, places, torch.tensor([length]))

    said = features_of(*spoken(8, seed=1), 1.0)
    prompt = random_floats(7, 100, frames)[None] / 2
    kept = min(said.shape[2], frames)
    prompt, said = prompt[:, :, :kept], said[:, :, :kept]
    kept = min(kept, config.reference_frames)
    prompt, said = prompt[:, :, -kept:], said[:, :, -kept:]
    to_say, chunks, done = features_of(tokens, phones, speed), [], 0
    while done < to_say.shape[2]:
        new = to_say[:, :, done : done + config.chunk_frames - kept]
        count = new.shape[2]
        drawn = torch.from_numpy(noise(seed, done * 100, count * 100)).view(1, count, 100).transpose(1, 2)
        start = torch.cat([torch.zeros_like(prompt), drawn], dim=2)
        mel = model.cfm.solve(torch.cat([said, new], dim=2), prompt, start, config.steps)
        mel = mel[:, :, prompt.shape[2] :]
        prompt, said = mel[:, :, -kept:], new[:, :, -kept:]
        chunks.append(mel)
        done += count
    return torch.cat(chunks, dim=2)


@pytest.mark.parametrize(
    ("family", "count", "speed", "frames"), [("v3", 2, 1.0, 40), ("v3", 9, 1.25, 9), ("v4", 12, 1.0, 20)]
)
@torch.inference_mode()
def test_the_engine_gives_what_the_networks_give(
    decoders: dict[str, FlowDecoder], family: str, count: int, speed: float, frames: int
) -> None:
    """One chunk and several; references that are shorter, and longer, than their tokens and than a chunk's."""
    decoder, (tokens, phones) = decoders[family], spoken(count, seed=2)
    reference = a_reference(decoder, family, frames)
    mel = decoder.mel(tokens, phones, reference, seed=5, speed=speed)
    expected = official_mel(family, tokens, phones, seed=5, speed=speed, frames=frames)
    assert relative_error(torch.from_numpy(mel)[None], expected) < 1e-3
    audio = decoder.whole(tokens, phones, reference, seed=5, speed=speed)
    assert audio.dtype == np.float32
    sound = small_vocoder(family)(denormalized(expected))[0]
    assert relative_error(torch.from_numpy(audio)[None], sound) < 1e-3


@pytest.mark.parametrize("rate", [V3.mel_rate, V4.mel_rate])
@pytest.mark.parametrize("speed", [1.0, 0.5, 0.8, 1.07, 1.25, 2.0])
def test_the_engine_reads_where_the_networks_do(rate: float, speed: float) -> None:
    for tokens in range(1, 400, 7):
        places, length = flow_matching.mel_places(tokens, rate, speed)
        expected, count = mel_places(tokens, rate, speed)
        np.testing.assert_array_equal(places, expected.numpy())
        assert length == count


def test_the_seed_names_the_noise_and_steps_are_chosen(decoders: dict[str, FlowDecoder]) -> None:
    decoder, (tokens, phones) = decoders["v4"], spoken(6, seed=3)
    reference = a_reference(decoder, "v4")
    first = decoder.mel(tokens, phones, reference, seed=1)
    assert first.shape == (100, 24)
    np.testing.assert_array_equal(first, decoder.mel(tokens, phones, reference, seed=1, steps=2))
    assert not np.allclose(first, decoder.mel(tokens, phones, reference, seed=2))
    assert not np.allclose(first, decoder.mel(tokens, phones, reference, seed=1, steps=3))


def test_no_tokens_are_no_sound(decoders: dict[str, FlowDecoder]) -> None:
    decoder, nothing = decoders["v3"], np.zeros(0, np.int64)
    reference = a_reference(decoder, "v3")
    assert decoder.whole(nothing, nothing, reference).shape == (0,)


def test_settings_that_cannot_work_are_refused(decoders: dict[str, FlowDecoder]) -> None:
    decoder, (tokens, phones) = decoders["v3"], spoken(6, seed=3)
    reference = a_reference(decoder, "v3")
    with pytest.raises(SettingError, match="steps"):
        decoder.whole(tokens, phones, reference, steps=0)
    with pytest.raises(SettingError, match="speed"):
        decoder.whole(tokens, phones, reference, speed=3.0)
    with pytest.raises(ValueError, match="no room"):
        replace(V3, chunk_frames=468)
    with pytest.raises(ValueError, match="at least one"):
        decoder.reference(np.zeros((100, 0), np.float32), reference.timbre, tokens, phones)
