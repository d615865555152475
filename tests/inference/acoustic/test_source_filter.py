"""Stage two in windows: graphs of real convolutions with random weights stand in for the trained ones."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.helpers import engine_graphs as graphs
from timbral.conversion.export.quantization_error import relative_error
from timbral.errors import SettingError
from timbral.inference.acoustic.source_filter import (
    SourceFilterConfig,
    SourceFilterDecoder,
    SourceFilterStream,
)
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import noise
from timbral.inference.sessions import SessionOptions

CPU = SessionOptions(device="cpu", threads=1)


def config(chunk_tokens: int = 16) -> SourceFilterConfig:
    return SourceFilterConfig(
        sample_rate=graphs.RATE,
        hop=graphs.HOP,
        frames_per_token=graphs.FRAMES_PER_TOKEN,
        context_tokens=graphs.CONTEXT_TOKENS,
        chunk_tokens=chunk_tokens,
        timbre_size=graphs.TIMBRE,
    )


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("acoustic")
    return graphs.latent_graph(folder / "latent.onnx"), graphs.vocoder_graph(folder / "vocoder.onnx")


@pytest.fixture(scope="module")
def decoder(paths: tuple[Path, Path]) -> SourceFilterDecoder:
    return SourceFilterDecoder.open(*paths, config(), CPU)


@pytest.fixture(scope="module")
def timbre() -> NDArray[np.float32]:
    return np.random.default_rng(5).standard_normal(graphs.TIMBRE).astype(np.float32)


def some_tokens(count: int, seed: int = 6) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, graphs.VOCABULARY, count)


def opened(
    decoder: SourceFilterDecoder, timbre: NDArray[np.float32], seed: int = 0, speed: float = 1.0
) -> SourceFilterStream:
    return decoder.stream(UtteranceRequest(np.zeros(0, np.int64), timbre, speed=speed, opens=True), seed)


def whole(
    decoder: SourceFilterDecoder,
    tokens: NDArray[np.int64],
    timbre: NDArray[np.float32],
    seed: int = 0,
    speed: float = 1.0,
) -> NDArray[np.float32]:
    stream = opened(decoder, timbre, seed, speed)
    pieces = [piece for token in tokens if (piece := stream.push(int(token))) is not None]
    return np.concatenate([np.zeros(0, np.float32), *pieces, *stream.finish()])


def at_once(
    paths: tuple[Path, Path], tokens: NDArray[np.int64], timbre: NDArray[np.float32], seed: int, speed: float
) -> NDArray[np.float32]:
    """Both graphs over the whole utterance, with the formulas of the interface written out."""
    latent_session, vocoder_session = (
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in paths
    )
    latent, f0 = latent_session.run(["latent", "f0"], {"tokens": tokens[None], "timbre": timbre[None]})
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
            "noise": noise(seed, 0, len(f0) * graphs.HOP)[None],
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


@pytest.mark.parametrize("speed", [1.0, 0.8, 1.25])
def test_a_stream_is_the_same_samples_and_comes_early(
    decoder: SourceFilterDecoder, timbre: NDArray[np.float32], speed: float
) -> None:
    tokens = some_tokens(200)
    stream = opened(decoder, timbre, seed=7, speed=speed)
    pieces, ready_at = [], []
    for number, token in enumerate(tokens, 1):
        piece = stream.push(int(token))
        if piece is not None:
            pieces.append(piece)
            ready_at.append(number)
    pieces += stream.finish()
    assert ready_at[0] == 16 + math.ceil(graphs.CONTEXT_TOKENS * max(1, speed))
    assert len(pieces) > 3
    np.testing.assert_array_equal(np.concatenate(pieces), whole(decoder, tokens, timbre, seed=7, speed=speed))


def test_a_line_that_nobody_waits_for_comes_in_larger_pieces(
    decoder: SourceFilterDecoder, timbre: NDArray[np.float32]
) -> None:
    tokens = some_tokens(60)
    stream = decoder.stream(UtteranceRequest(np.zeros(0, np.int64), timbre), 7)
    assert all(stream.push(int(token)) is None for token in tokens)
    (piece,) = stream.finish()
    np.testing.assert_allclose(piece, whole(decoder, tokens, timbre, seed=7), atol=1e-4)


@pytest.mark.parametrize("chunk_tokens", [1, 7, 40, 1000])
def test_the_cut_does_not_change_the_sound(
    paths: tuple[Path, Path], timbre: NDArray[np.float32], chunk_tokens: int
) -> None:
    tokens = some_tokens(150)
    sound = whole(
        SourceFilterDecoder.open(*paths, config(chunk_tokens), CPU), tokens, timbre, seed=7, speed=1.1
    )
    np.testing.assert_allclose(sound, at_once(paths, tokens, timbre, 7, 1.1), atol=1e-4)


def test_a_stream_can_go_another_way_from_where_it_was_heard(
    decoder: SourceFilterDecoder, timbre: NDArray[np.float32]
) -> None:
    first, other = some_tokens(60, seed=1), some_tokens(60, seed=2)
    stream = opened(decoder, timbre)
    head = [piece for token in first if (piece := stream.push(int(token))) is not None]
    twin = stream.copy()
    twin.forget()
    assert twin.tokens == tuple(first[: stream.heard])
    tail = [piece for token in other if (piece := twin.push(int(token))) is not None]
    joined = np.concatenate([*head, *tail, *twin.finish()])
    spoken = np.concatenate([first[: stream.heard], other])
    np.testing.assert_array_equal(joined, whole(decoder, spoken, timbre))
    np.testing.assert_array_equal(np.concatenate([*head, *stream.finish()]), whole(decoder, first, timbre))


def test_what_the_tokens_speak_is_heard(tmp_path: Path, timbre: NDArray[np.float32]) -> None:
    """In windows too; and a phone that nobody names is one of its own."""
    told = replace(config(), phonemes=20)
    graph, vocoder = (
        graphs.latent_graph(tmp_path / "latent.onnx", 20),
        graphs.vocoder_graph(tmp_path / "v.onnx"),
    )
    decoder, broad = (
        SourceFilterDecoder.open(graph, vocoder, setting, CPU)
        for setting in (told, replace(told, chunk_tokens=1000))
    )
    tokens = some_tokens(120).tolist()
    phones = [(token % 20, token % 7) for token in tokens]

    def sound(decoder: SourceFilterDecoder, spoken: list[tuple[int, int] | None]) -> NDArray[np.float32]:
        stream = opened(decoder, timbre)
        pieces = [stream.push(token, said) for token, said in zip(tokens, spoken, strict=True)]
        return np.concatenate([piece for piece in (*pieces, *stream.finish()) if piece is not None])

    heard = sound(decoder, [*phones])
    np.testing.assert_allclose(heard, sound(broad, [*phones]), atol=1e-4)
    unknown = sound(decoder, [None] * 120)
    np.testing.assert_array_equal(unknown, sound(decoder, [(20, 20)] * 120))
    assert relative_error(unknown, heard) > 0.1


def test_residuals_of_a_voice_are_heard(tmp_path: Path, timbre: NDArray[np.float32]) -> None:
    """In every window, the same wherever it is cut; a voice without them sounds as one that lacks nothing."""
    latent = graphs.latent_graph(tmp_path / "latent.onnx")
    vocoder = graphs.vocoder_graph(tmp_path / "vocoder.onnx", envelope=8)
    decoder, broad = (
        SourceFilterDecoder.open(latent, vocoder, replace(config(size), envelope=8), CPU)
        for size in (16, 1000)
    )
    tokens = some_tokens(120)

    def sound(decoder: SourceFilterDecoder, residuals: NDArray[np.float32] | None) -> NDArray[np.float32]:
        stream = decoder.stream(UtteranceRequest(np.zeros(0, np.int64), timbre, residuals=residuals), 7)
        pieces = [stream.push(int(token)) for token in tokens]
        return np.concatenate([piece for piece in (*pieces, *stream.finish()) if piece is not None])

    lacking = np.full((5, 2, 8), 0.02, np.float32)
    heard = sound(decoder, lacking)
    np.testing.assert_allclose(heard, sound(broad, lacking), atol=1e-4)
    nothing = sound(decoder, None)
    np.testing.assert_array_equal(nothing, sound(decoder, 0 * lacking))
    assert relative_error(nothing, heard) > 0.1


def test_the_seed_names_the_noise(decoder: SourceFilterDecoder, timbre: NDArray[np.float32]) -> None:
    tokens = some_tokens(40)
    first = whole(decoder, tokens, timbre, seed=1)
    np.testing.assert_array_equal(first, whole(decoder, tokens, timbre, seed=1))
    assert not np.array_equal(first, whole(decoder, tokens, timbre, seed=2))


def test_no_tokens_are_no_sound(decoder: SourceFilterDecoder, timbre: NDArray[np.float32]) -> None:
    assert whole(decoder, np.zeros(0, np.int64), timbre).shape == (0,)


@pytest.mark.parametrize("speed", [0.0, -1.0, 3.0, float("nan")])
def test_an_impossible_speed_is_refused(
    decoder: SourceFilterDecoder, timbre: NDArray[np.float32], speed: float
) -> None:
    with pytest.raises(SettingError, match="speed"):
        opened(decoder, timbre, speed=speed)
