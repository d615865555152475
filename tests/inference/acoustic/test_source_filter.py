"""Stage two in windows: graphs of real convolutions with random weights stand in for the trained ones."""

import math
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.helpers import engine_graphs as graphs
from timbral.audio.measures import relative_error
from timbral.inference.acoustic.interface import TimedTokens
from timbral.inference.acoustic.melody import Melody
from timbral.inference.acoustic.source_filter import SourceFilterDecoder
from timbral.inference.loading import open_acoustic
from timbral.inference.request import Conditioning, UtteranceRequest
from timbral.inference.seeds import derive_seed, noise
from timbral.inference.sessions import SessionOptions
from timbral.models import SourceFilter, open_bundle
from timbral.voices import DEFAULT, open_voice

pytestmark = pytest.mark.usefixtures("traced")


def shape(chunk_tokens: int = 16) -> SourceFilter:
    return graphs.source_filter(chunk_tokens)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("acoustic")
    return graphs.latent_graph(folder / "latent.onnx"), graphs.vocoder_graph(folder / "vocoder.onnx")


@pytest.fixture(scope="module")
def decoder(paths: tuple[Path, Path]) -> SourceFilterDecoder:
    return graphs.open_source_filter(*paths, shape())


@pytest.fixture(scope="module")
def timbre() -> NDArray[np.float32]:
    return np.random.default_rng(5).standard_normal(graphs.TIMBRE).astype(np.float32)


def some_tokens(count: int, seed: int = 6) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, graphs.VOCABULARY, count)


def whole(
    decoder: SourceFilterDecoder,
    tokens: NDArray[np.int64],
    timbre: NDArray[np.float32],
    seed: int = 0,
    speed: float = 1.0,
) -> NDArray[np.float32]:
    request = UtteranceRequest(
        np.zeros(0, np.int64), Conditioning(timbre), seed=seed, speed=speed, opens=True
    )
    return np.concatenate([np.zeros(0, np.float32), *decoder.synthesize(request, TimedTokens(tokens))])


def at_once(
    paths: tuple[Path, Path], tokens: NDArray[np.int64], timbre: NDArray[np.float32], seed: int, speed: float
) -> NDArray[np.float32]:
    """Both graphs over the whole utterance, with the formulas of the interface written out."""
    latent_session, vocoder_session = (
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in paths
    )
    latent, f0 = latent_session.run(["latent", "f0"], {"tokens": tokens[None], "timbre": timbre[None]})
    f0 = Melody(seed=seed).applied(f0, float(timbre[-1]), 0, graphs.HOP / graphs.RATE)
    frames = latent.shape[2]
    places = (np.arange(math.ceil(frames / speed - 0.5)) + 0.5) * speed - 0.5
    latent = np.stack([np.interp(places, np.arange(frames), row) for row in latent[0]])[None]
    f0 = np.interp(places, np.arange(frames), f0[0])
    phase = np.zeros(len(f0))
    for t in range(len(f0) - 1):
        phase[t + 1] = (phase[t] + (f0[t] + f0[t + 1]) / 2 * graphs.HOP / graphs.RATE) % 1
    (audio,) = vocoder_session.run(
        ["audio"],
        {
            "latent": latent.astype(np.float32),
            "timbre": timbre[None],
            "f0": f0[None].astype(np.float32),
            "phase": phase[None].astype(np.float32),
            "noise": noise(derive_seed(seed, "sound"), 0, len(f0) * graphs.HOP)[None],
        },
    )
    return np.asarray(audio[0])


@pytest.mark.parametrize("speed", [1.0, 0.8, 1.25, 0.5, 2.0, 1.07])
@pytest.mark.parametrize("count", [1, 11, 16, 25, 26, 41, 300])
def test_windows_give_the_sound_of_one_run(
    paths: tuple[Path, Path],
    decoder: SourceFilterDecoder,
    timbre: NDArray[np.float32],
    count: int,
    speed: float,
) -> None:
    tokens = some_tokens(count)
    expected = at_once(paths, tokens, timbre, 7, speed)
    sound = whole(decoder, tokens, timbre, seed=7, speed=speed)
    assert sound.dtype == np.float32
    assert sound.shape == expected.shape
    loudest = np.abs(expected).max()
    assert loudest > 0.1
    np.testing.assert_allclose(sound / loudest, expected / loudest, atol=1e-4)


def test_the_first_chunk_of_a_speech_is_short_and_later_ones_grow(
    decoder: SourceFilterDecoder, timbre: NDArray[np.float32]
) -> None:
    tokens = TimedTokens(some_tokens(200))
    lengths = {}
    for opens in (True, False):
        request = UtteranceRequest(np.zeros(0, np.int64), Conditioning(timbre), opens=opens)
        lengths[opens] = [len(chunk) // 960 for chunk in decoder.synthesize(request, tokens)]
    assert lengths == {True: [8, 24, 64, 64, 40], False: [64, 64, 64, 8]}


@pytest.mark.parametrize("chunk_tokens", [1, 7, 40, 1000])
def test_the_cut_does_not_change_the_sound(
    paths: tuple[Path, Path], timbre: NDArray[np.float32], chunk_tokens: int
) -> None:
    tokens = some_tokens(150)
    sound = whole(graphs.open_source_filter(*paths, shape(chunk_tokens)), tokens, timbre, seed=7, speed=1.1)
    np.testing.assert_allclose(sound, at_once(paths, tokens, timbre, 7, 1.1), atol=1e-4)


def test_phones_of_the_tokens_are_heard(tmp_path: Path, timbre: NDArray[np.float32]) -> None:
    """In windows too; and an unknown phone is one of its own."""
    latent = graphs.latent_graph(tmp_path / "latent.onnx", 20)
    vocoder = graphs.vocoder_graph(tmp_path / "vocoder.onnx")
    decoder, broad = (
        graphs.open_source_filter(latent, vocoder, shape(size).model_copy(update={"phones": True}), 20)
        for size in (16, 1000)
    )
    tokens = some_tokens(120)
    request = UtteranceRequest(np.zeros(0, np.int64), Conditioning(timbre), opens=True)

    def sound(decoder: SourceFilterDecoder, phones: NDArray[np.int64] | None) -> NDArray[np.float32]:
        return np.concatenate([*decoder.synthesize(request, TimedTokens(tokens, phones))])

    phones = np.stack([tokens % 20, tokens % 7], axis=1)
    spoken = sound(decoder, phones)
    np.testing.assert_allclose(spoken, sound(broad, phones), atol=1e-4)
    unknown = sound(decoder, None)
    np.testing.assert_array_equal(unknown, sound(decoder, np.full((120, 2), 20)))
    assert relative_error(unknown, spoken) > 0.1


def test_residuals_of_a_voice_are_heard(tmp_path: Path, timbre: NDArray[np.float32]) -> None:
    """In every window, the same wherever it is cut; a voice without them sounds as one whose residuals are zero."""
    latent = graphs.latent_graph(tmp_path / "latent.onnx")
    vocoder = graphs.vocoder_graph(tmp_path / "vocoder.onnx", envelope=8)
    decoder, broad = (
        graphs.open_source_filter(latent, vocoder, shape(size).model_copy(update={"envelope": 8}))
        for size in (16, 1000)
    )
    tokens = TimedTokens(some_tokens(120))

    def sound(decoder: SourceFilterDecoder, residuals: NDArray[np.float32] | None) -> NDArray[np.float32]:
        voice = Conditioning(timbre, residuals=residuals)
        return np.concatenate([*decoder.synthesize(UtteranceRequest(np.zeros(0, np.int64), voice), tokens)])

    residuals = np.full((5, 2, 8), 0.02, np.float32)
    corrected = sound(decoder, residuals)
    np.testing.assert_allclose(corrected, sound(broad, residuals), atol=1e-4)
    plain = sound(decoder, None)
    np.testing.assert_array_equal(plain, sound(decoder, 0 * residuals))
    assert relative_error(plain, corrected) > 0.1


def test_the_seed_names_the_noise(decoder: SourceFilterDecoder, timbre: NDArray[np.float32]) -> None:
    tokens = some_tokens(40)
    first = whole(decoder, tokens, timbre, seed=1)
    np.testing.assert_array_equal(first, whole(decoder, tokens, timbre, seed=1))
    assert not np.array_equal(first, whole(decoder, tokens, timbre, seed=2))


def test_no_tokens_are_no_sound(decoder: SourceFilterDecoder, timbre: NDArray[np.float32]) -> None:
    assert whole(decoder, np.zeros(0, np.int64), timbre).shape == (0,)


def test_a_timbre_of_another_model_is_refused(decoder: SourceFilterDecoder) -> None:
    with pytest.raises(ValueError, match="shape"):
        whole(decoder, some_tokens(5), np.zeros(3, np.float32))


def test_the_vocoder_sees_no_further_than_its_reach() -> None:
    """Of the embedded model; with less, the sound is another one."""
    decoder = open_acoustic(open_bundle(), SessionOptions(device="cpu", threads=1))
    assert isinstance(decoder, SourceFilterDecoder)
    tokens, phones = some_tokens(60), np.arange(120).reshape(60, 2) // 6
    conditioning = Conditioning(open_voice(DEFAULT).timbre)

    def speak(reach: int) -> NDArray[np.float32]:
        decoder.shape = decoder.shape.model_copy(update={"reach": reach})
        request = UtteranceRequest(np.zeros(0, np.int64), conditioning, seed=1, opens=True)
        return np.concatenate([*decoder.synthesize(request, TimedTokens(tokens, phones))])

    known, everything = speak(decoder.shape.reach), speak(0)
    loudest = np.abs(everything).max()
    assert loudest > 1e-3
    np.testing.assert_allclose(known, everything, atol=1e-3 * loudest)
    assert np.abs(speak(8) - everything).max() > 1e-2 * loudest
