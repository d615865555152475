"""Stage two of v3 and v4: tokens to sound by way of mel, which is solved in chunks, each going on from what is before it.

A sentence is made as a whole: the vocoder runs once, over the mel of all chunks. What a voice gives to every sentence,
read off its recording, is kept and found again by what it was made from.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.errors import SettingError
from timbral.inference.acoustic.interface import Network, SentenceStream, check_line, check_speed, stretched
from timbral.inference.lru_cache import ArrayCache
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import noise
from timbral.inference.sessions import Graph, SessionOptions

FRAMES_PER_TOKEN = 2
"""Frames of the prior (50 Hz)."""
MOST_STEPS = 128
_KEPT_BYTES = 16 << 20
"""Of features of references, 2 MB a voice."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class FlowConfig:
    """What the manifest says of stage two.

    sample_rate: of the sound, in Hz. timbre_size: length G of the timbre vector.
    mel_rate: frames of mel for each frame of the prior: 1.875 in v3, 2 in v4.
    reference_frames: of mel, which a chunk goes on from at most; chunk_frames: these and the new ones.
    steps: of the solver, unless a request says otherwise.
    """

    sample_rate: int
    timbre_size: int
    mel_rate: float
    reference_frames: int
    chunk_frames: int
    steps: int

    def __post_init__(self) -> None:
        if not 0 < self.reference_frames < self.chunk_frames:
            raise ValueError(
                f"chunks of {self.chunk_frames} frames have no room behind {self.reference_frames} of a reference"
            )


V3 = FlowConfig(24_000, 512, mel_rate=1.875, reference_frames=468, chunk_frames=934, steps=32)
V4 = FlowConfig(48_000, 512, mel_rate=2.0, reference_frames=500, chunk_frames=1000, steps=8)


@dataclass(frozen=True)
class MelReference:
    """A voice: timbre [G], and the end of a recording as mel [bands, R] and as what it says, [features, R]."""

    timbre: Array
    mel: Array
    features: Array


class FlowDecoder:
    """Tokens, phones and a reference to samples. Immutable: a request keeps its own state."""

    def __init__(
        self, features: Network, condition: Network, flow: Network, vocoder: Network, config: FlowConfig
    ) -> None:
        self._features = features
        self._condition = condition
        self._flow = flow
        self._vocoder = vocoder
        self._said = ArrayCache(_KEPT_BYTES)
        self.config = config

    @classmethod
    def open(
        cls,
        features: Path,
        condition: Path,
        flow: Path,
        vocoder: Path,
        config: FlowConfig,
        options: SessionOptions,
    ) -> "FlowDecoder":
        """Opens the graphs that `timbral.conversion.export.mel_acoustic` describes."""
        said = ("tokens", "phones", "timbre", "places", "length")
        going = ("mel", "condition", "rotation", "time", "step")
        return cls(
            Graph(features, said, ("features",), options),
            Graph(condition, ("prompt", "features"), ("condition", "rotation"), options),
            Graph(flow, going, ("velocity",), options),
            Graph(vocoder, ("mel",), ("audio",), options),
            config,
        )

    @property
    def sample_rate(self) -> int:
        """Of the sound, in Hz."""
        return self.config.sample_rate

    def stream(self, line: UtteranceRequest, seed: int) -> SentenceStream:
        """A new utterance that goes on from the prompt of a line; the seed names its noise."""
        check_line(line, self.config.timbre_size)
        if line.mel is None:
            raise ValueError("this model goes on from the mel of a prompt, and the line has none")
        reference = self.reference(line.mel, line.timbre, line.prompt, line.prompt_phones)

        def decode(tokens: NDArray[np.int64]) -> Iterator[Array]:
            yield self.whole(tokens, line.phones, reference, seed, line.speed, line.steps)

        return SentenceStream(decode)

    def reference(
        self, mel: Array, timbre: Array, tokens: NDArray[np.int64], phones: NDArray[np.int64]
    ) -> MelReference:
        """What a voice gives to every sentence.

        mel: normalised, [bands, n], of a recording; tokens [T], phones [P]: of the same; timbre [G].
        """
        if not len(tokens) or not mel.shape[1]:
            raise ValueError("a reference needs at least one token and one frame of mel")
        key = b"".join((len(tokens).to_bytes(8, "little"), *(a.tobytes() for a in (tokens, phones, timbre))))
        features = self._said.get(key)
        if features is None:
            features = self._features_of(tokens, phones, timbre, 1.0)
            self._said.put(key, features)
        frames = min(mel.shape[1], features.shape[1])
        last = slice(max(0, frames - self.config.reference_frames), frames)
        return MelReference(timbre, mel[:, last], features[:, last])

    def whole(
        self,
        tokens: NDArray[np.int64],
        phones: NDArray[np.int64],
        reference: MelReference,
        seed: int = 0,
        speed: float = 1.0,
        steps: int | None = None,
    ) -> Array:
        """The sound float32 [n] of tokens [T] and phones [P] in the voice of a reference."""
        mel = self.mel(tokens, phones, reference, seed, speed, steps)
        if not mel.shape[1]:
            return np.zeros(0, np.float32)
        audio: Array = self._vocoder({"mel": mel[None]})[0][0]
        return audio

    def mel(
        self,
        tokens: NDArray[np.int64],
        phones: NDArray[np.int64],
        reference: MelReference,
        seed: int = 0,
        speed: float = 1.0,
        steps: int | None = None,
    ) -> Array:
        """The same as normalised mel [bands, M]; the seed names its noise, the speed divides its duration."""
        return np.concatenate(
            [
                np.zeros((len(reference.mel), 0), np.float32),
                *self.chunks(tokens, phones, reference, seed, speed, steps),
            ],
            axis=1,
        )

    def chunks(
        self,
        tokens: NDArray[np.int64],
        phones: NDArray[np.int64],
        reference: MelReference,
        seed: int = 0,
        speed: float = 1.0,
        steps: int | None = None,
    ) -> Iterator[Array]:
        """The chunks of `mel`, each when it is solved: a request can be given up between them."""
        config = self.config
        steps = config.steps if steps is None else steps
        check_speed(speed)
        check_steps(steps)
        return self._chunks(tokens, phones, reference, seed, speed, steps)

    def _chunks(
        self,
        tokens: NDArray[np.int64],
        phones: NDArray[np.int64],
        reference: MelReference,
        seed: int,
        speed: float,
        steps: int,
    ) -> Iterator[Array]:
        if not len(tokens):
            return
        features = self._features_of(tokens, phones, reference.timbre, speed)
        prompt, said = reference.mel, reference.features
        kept = prompt.shape[1]
        size = self.config.chunk_frames - kept
        for start in range(0, features.shape[1], size):
            new = features[:, start : start + size]
            mel = self._solve(prompt, np.concatenate([said, new], axis=1), seed, start, steps)
            yield mel
            prompt, said = mel[:, -kept:], new[:, -kept:]

    def _features_of(
        self, tokens: NDArray[np.int64], phones: NDArray[np.int64], timbre: Array, speed: float
    ) -> Array:
        """What tokens [T] and phones [P] say, frame by frame of mel: [features, M]."""
        places, length = mel_places(len(tokens), self.config.mel_rate, speed)
        inputs: dict[str, NDArray[Any]] = {
            "tokens": tokens[None],
            "phones": phones[None],
            "timbre": timbre[None],
            "places": places,
            "length": np.array([length]),
        }
        features: Array = self._features(inputs)[0][0]
        return features

    def _solve(self, prompt: Array, features: Array, seed: int, start: int, steps: int) -> Array:
        """Mel of one chunk, [bands, new], from noise that belongs to its frames, the first of which is `start`.

        prompt: mel [bands, p] of the first p of the features [features, p + new].
        """
        (bands, p), n = prompt.shape, features.shape[1]
        known = np.zeros((1, bands, n), np.float32)
        known[0, :, :p] = prompt
        condition, rotation = self._condition({"prompt": known, "features": features[None]})

        def velocity(mel: Array, time: float, step: float) -> Array:
            inputs = {
                "mel": mel[None],
                "condition": condition,
                "rotation": rotation,
                "time": np.array([time], np.float32),
                "step": np.array([step], np.float32),
            }
            result: Array = self._flow(inputs)[0][0]
            return result

        mel = np.zeros((bands, n), np.float32)
        mel[:, p:] = noise(seed, start * bands, (n - p) * bands).reshape(-1, bands).T
        return euler(velocity, mel, p, steps)[:, p:]


def check_steps(steps: int) -> None:
    """Raises SettingError for a count of steps that the solver does not take."""
    if not 1 <= steps <= MOST_STEPS:
        raise SettingError(f"steps is {steps}: give a count from 1 to {MOST_STEPS}")


def euler(velocity: Callable[[Array, float, float], Array], mel: Array, held: int, steps: int) -> Array:
    """Follows the velocity from noise to mel [bands, n] in steps of equal length; the first frames stay as they are.

    velocity: of a mel, at a time from 0 to 1, for a length of step. held: how many frames stay.
    """
    mel, time = mel.copy(), 0.0
    for _ in range(steps):
        mel[:, held:] += np.float32(1 / steps) * velocity(mel, time, 1 / steps)[:, held:]
        time += 1 / steps
    return mel


def mel_places(tokens: int, mel_rate: float, speed: float) -> tuple[Array, int]:
    """Where in the 2 T frames of T tokens each frame of mel is read, [M], and how many of these count.

    The official rounding: `timbral.nets.mel_acoustic.mel_places` says more.
    """
    frames = FRAMES_PER_TOKEN * tokens
    slowed = stretched(frames, speed)
    count = int(slowed * mel_rate)
    duration = tokens * (FRAMES_PER_TOKEN + mel_rate)
    length = int(duration) if speed == 1 else int(duration / speed) + 1
    source = np.floor(np.arange(count) / mel_rate)
    places = np.maximum((source + 0.5) * (frames / slowed) - 0.5, 0)
    return places.astype(np.float32), min(length, count)
