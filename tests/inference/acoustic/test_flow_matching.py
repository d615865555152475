"""The engine's solver over exported graphs gives what the networks give by the official loop."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.helpers.mel_acoustic_models import golden_of, small_network, small_vocoder
from tests.helpers.nets_weights import random_floats, relative_error
from timbral.inference.acoustic import flow_matching
from timbral.inference.acoustic.flow_matching import FlowDecoder, MelReference
from timbral.inference.acoustic.interface import TimedTokens
from timbral.inference.request import Conditioning, UtteranceRequest
from timbral.inference.seeds import derive_seed, noise
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import FlowMatching
from timbral.nets.mel_acoustic import mel_places
from timbral.nets.spectrogram import denormalized

CPU = SessionOptions(device="cpu", threads=1)


def shape(
    mel_rate: float, sample_rate: int, reference_frames: int, chunk_frames: int, steps: int
) -> FlowMatching:
    return FlowMatching(
        kind="flow-matching",
        frames_per_token=2,
        mel_rate=mel_rate,
        mel_sample_rate=sample_rate,
        timbre_size=512,
        reference_frames=reference_frames,
        chunk_frames=chunk_frames,
        steps=steps,
    )


SHAPES = {"v3": shape(1.875, 24_000, 14, 30, 3), "v4": shape(2.0, 32_000, 16, 31, 2)}
Ids = NDArray[np.int64]


def opened(folder: Path, shape: FlowMatching) -> FlowDecoder:
    def graph(name: str, inputs: tuple[str, ...], *outputs: str) -> Graph:
        return Graph(folder / f"{name}.onnx", inputs, outputs, CPU)

    return FlowDecoder(
        graph("features", ("tokens", "phones", "timbre", "places", "length"), "features"),
        graph("condition", ("prompt", "features"), "condition", "rotation"),
        graph("flow", ("mel", "condition", "rotation", "time", "step"), "velocity"),
        graph("vocoder", ("mel",), "audio"),
        shape,
        sample_rate=24_000,
    )


@pytest.fixture(scope="module")
def decoders(mel_graphs: dict[str, Path]) -> dict[str, FlowDecoder]:
    return {family: opened(mel_graphs[family], shape) for family, shape in SHAPES.items()}


def spoken(count: int, seed: int) -> tuple[Ids, Ids]:
    """Tokens [count] and phones."""
    random = np.random.default_rng(seed)
    return random.integers(0, 1024, count), random.integers(0, 732, count // 2 + 1)


def asking(phones: Ids, **settings: float) -> UtteranceRequest:
    return UtteranceRequest(phones, Conditioning(np.zeros(512, np.float32)), **settings)  # type: ignore[arg-type]


def timbre(family: str) -> Tensor:
    return golden_of(family)["ge"]


def a_reference(decoder: FlowDecoder, family: str, frames: int = 20) -> MelReference:
    mel = random_floats(7, 100, frames).numpy() / 2
    return decoder.reference(mel, timbre(family)[0, :, 0].numpy(), *spoken(8, seed=1))


def official_mel(family: str, tokens: Ids, phones: Ids, seed: int, speed: float, frames: int) -> Tensor:
    """The loop of the official code over the networks, with the engine's noise."""
    config, model, ge = SHAPES[family], small_network(), timbre(family)

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
    mel = decoder.mel(asking(phones, speed=speed), tokens, reference, seed=derive_seed(5, "sound"))
    expected = official_mel(family, tokens, phones, seed=derive_seed(5, "sound"), speed=speed, frames=frames)
    assert relative_error(torch.from_numpy(mel)[None], expected) < 1e-3
    mel_of_prompt = random_floats(7, 100, frames).numpy() / 2
    prompt_tokens, prompt_phones = spoken(8, seed=1)
    voice = Conditioning(timbre(family)[0, :, 0].numpy(), prompt_tokens, prompt_phones, mel=mel_of_prompt)
    (audio,) = decoder.synthesize(UtteranceRequest(phones, voice, seed=5, speed=speed), TimedTokens(tokens))
    assert audio.dtype == np.float32
    sound = small_vocoder(family)(denormalized(expected))[0]
    assert relative_error(torch.from_numpy(audio)[None], sound) < 1e-3


@pytest.mark.parametrize("rate", [1.875, 2.0])
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
    first = decoder.mel(asking(phones), tokens, reference, seed=1)
    assert first.shape == (100, 24)
    np.testing.assert_array_equal(first, decoder.mel(asking(phones, steps=2), tokens, reference, seed=1))
    assert not np.allclose(first, decoder.mel(asking(phones), tokens, reference, seed=2))
    assert not np.allclose(first, decoder.mel(asking(phones, steps=3), tokens, reference, seed=1))


def test_no_tokens_are_no_sound(decoders: dict[str, FlowDecoder]) -> None:
    decoder, nothing = decoders["v3"], np.zeros(0, np.int64)
    reference = a_reference(decoder, "v3")
    assert decoder.mel(asking(nothing), nothing, reference, seed=1).shape == (100, 0)


def test_a_voice_without_a_recording_is_refused(decoders: dict[str, FlowDecoder]) -> None:
    decoder, (tokens, phones) = decoders["v3"], spoken(6, seed=3)
    with pytest.raises(ValueError, match="has none"):
        list(decoder.synthesize(asking(phones), TimedTokens(tokens)))
    with pytest.raises(ValueError, match="at least one"):
        decoder.reference(np.zeros((100, 0), np.float32), np.zeros(512, np.float32), tokens, phones)
