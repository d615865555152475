"""Stage two of v3 and v4: tokens to a mel spectrogram by conditional flow matching, in chunks that continue each other.

The vocoder runs once, over the mel of all chunks of an utterance. Features of a voice's reference are cached.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.inference.acoustic.interface import Network, TimedTokens, engine_of, stretched, timbre_of
from timbral.inference.acoustic.networks import open_network, open_vocoder
from timbral.inference.lru_cache import ArrayCache
from timbral.inference.request import UtteranceRequest
from timbral.inference.seeds import derive_seed, noise
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, FlowMatching, files

FRAMES_PER_TOKEN = 2
"""Frames of the prior (50 Hz)."""
_CACHE_BYTES = 16 << 20
"""Of features of references, 2 MB a voice."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class MelReference:
    """What chunks continue: timbre [G], and the end of a recording as mel [bands, R] and as features [features, R]."""

    timbre: Array
    mel: Array
    features: Array


class FlowDecoder:
    """Tokens, phones and a reference to samples by conditional flow matching. Immutable."""

    def __init__(
        self,
        features: Network,
        condition: Network,
        flow: Network,
        vocoder: Network,
        shape: FlowMatching,
        sample_rate: int,
    ) -> None:
        self.sample_rate = sample_rate
        self._features = features
        self._condition = condition
        self._flow = flow
        self.engine = engine_of(flow)
        self._vocoder = vocoder
        self.shape = shape
        self._reference_features = ArrayCache(_CACHE_BYTES)

    @classmethod
    def open(cls, bundle: Bundle, shape: FlowMatching, options: SessionOptions) -> "FlowDecoder":
        """Opens the four graphs that `timbral.conversion.export.mel_acoustic` describes."""

        exact = bundle.manifest.precision == "fp32"

        def graph(name: str, inputs: tuple[str, ...], *outputs: str) -> Network:
            return open_network(
                bundle.path(name), inputs, outputs, options, exact=exact, gains=name == files.FLOW
            )

        return cls(
            graph(files.FEATURES, ("tokens", "phones", "timbre", "places", "length"), "features"),
            graph(files.CONDITION, ("prompt", "features"), "condition", "rotation"),
            graph(files.FLOW, ("mel", "condition", "rotation", "time", "step"), "velocity"),
            open_vocoder(bundle.path(files.VOCODER), ("mel",), options, exact=exact),
            shape,
            bundle.manifest.sample_rate,
        )

    def opening(self, request: UtteranceRequest) -> int:
        """All tokens. See AcousticDecoder."""
        return 0

    def synthesize(self, request: UtteranceRequest, timed: TimedTokens) -> Iterator[Array]:
        """Samples as one chunk: the vocoder runs once, over the mel of the whole utterance. See AcousticDecoder."""
        voice = request.voice
        (timbre,) = timbre_of(request, self.shape.timbre_size)
        if voice.mel is None:
            raise ValueError("this model continues the mel of a prompt, and the voice has none")
        reference = self.reference(voice.mel, timbre, voice.prompt_tokens, voice.prompt_phones)
        seed = derive_seed(request.seed, "sound")
        chunks = [*self._mel_chunks(request, timed.tokens, reference, seed)]
        if chunks:
            audio: Array = self._vocoder({"mel": np.concatenate(chunks, axis=1)[None]})[0][0]
            yield audio

    def reference(
        self, mel: Array, timbre: Array, tokens: NDArray[np.int64], phones: NDArray[np.int64]
    ) -> MelReference:
        """The reference of a voice.

        mel: normalised, [bands, n], of a recording; tokens [T], phones [P]: of the same; timbre [G].
        """
        if not len(tokens) or not mel.shape[1]:
            raise ValueError("a reference needs at least one token and one frame of mel")
        key = b"".join((len(tokens).to_bytes(8, "little"), *(a.tobytes() for a in (tokens, phones, timbre))))
        features = self._reference_features.get(key)
        if features is None:
            features = self._features_of(tokens, phones, timbre, 1.0)
            self._reference_features.put(key, features)
        frames = min(mel.shape[1], features.shape[1])
        last = slice(max(0, frames - self.shape.reference_frames), frames)
        return MelReference(timbre, mel[:, last], features[:, last])

    def mel(
        self, request: UtteranceRequest, tokens: NDArray[np.int64], reference: MelReference, seed: int
    ) -> Array:
        """Normalised mel [bands, M] of tokens [T]; the seed names its noise."""
        nothing = np.zeros((len(reference.mel), 0), np.float32)
        return np.concatenate([nothing, *self._mel_chunks(request, tokens, reference, seed)], axis=1)

    def _mel_chunks(
        self, request: UtteranceRequest, tokens: NDArray[np.int64], reference: MelReference, seed: int
    ) -> Iterator[Array]:
        """The mel in chunks, each of which continues the one before it."""
        if not len(tokens):
            return
        features = self._features_of(tokens, request.phones, reference.timbre, request.speed)
        prompt, prompt_features = reference.mel, reference.features
        kept = prompt.shape[1]
        size = self.shape.chunk_frames - kept
        steps = request.steps or self.shape.steps
        for start in range(0, features.shape[1], size):
            new = features[:, start : start + size]
            mel = self._solve(prompt, np.concatenate([prompt_features, new], axis=1), seed, start, steps)
            yield mel
            prompt, prompt_features = mel[:, -kept:], new[:, -kept:]

    def _features_of(
        self, tokens: NDArray[np.int64], phones: NDArray[np.int64], timbre: Array, speed: float
    ) -> Array:
        """Features [features, M] of tokens [T] and phones [P], one a frame of mel."""
        places, length = mel_places(len(tokens), self.shape.mel_rate, speed)
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
    """Position in the 2 T frames of T tokens of each frame of mel, [M], and how many of these count.

    Rounded as GPT-SoVITS does, see `timbral.nets.mel_acoustic.mel_places`.
    """
    frames = FRAMES_PER_TOKEN * tokens
    slowed = stretched(frames, speed)
    count = int(slowed * mel_rate)
    duration = tokens * (FRAMES_PER_TOKEN + mel_rate)
    length = int(duration) if speed == 1 else int(duration / speed) + 1
    source = np.floor(np.arange(count) / mel_rate)
    places = np.maximum((source + 0.5) * (frames / slowed) - 0.5, 0)
    return places.astype(np.float32), min(length, count)
