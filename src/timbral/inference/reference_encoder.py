"""Hears a reference recording: its content as semantic tokens, its voice as a timbre, its sound as mel or as residuals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.inference.acoustic.residuals import EnvelopePredictor
from timbral.inference.sessions import Graph, SessionOptions

MOST_SOUNDS = 1000
"""Whose residuals are kept of a voice; of more, some from everywhere."""

Recording = Mapping[int, NDArray[np.float32]]
"""The same speech at each rate at which it is heard: samples float32 [n], mono, by rate in Hz."""


@dataclass(frozen=True)
class ReferenceConfig:
    """What the manifest says of references.

    rate: Hz, at which content and speaker are heard; timbre_rate, mel_rate: the timbre, and the mel, if any is.
    silence: samples of it behind the recording, for the tokens only.
    """

    rate: int
    timbre_rate: int
    mel_rate: int | None = None
    silence: int = 0

    @property
    def rates(self) -> tuple[int, ...]:
        """All of them, the one of the content first."""
        rates = (self.rate, self.timbre_rate, self.mel_rate)
        return tuple(dict.fromkeys(rate for rate in rates if rate is not None))


class ReferenceEncoder:
    """The graphs that hear recordings. Immutable, and shared by all requests.

    speaker: for families whose timbre takes a speaker embedding; mel: for those that go on from a recording;
    recall: for those that remember how the speaker's envelopes differ from their own.
    """

    def __init__(
        self,
        content: Graph,
        timbre: Graph,
        config: ReferenceConfig,
        speaker: Graph | None = None,
        mel: Graph | None = None,
        recall: EnvelopePredictor | None = None,
    ) -> None:
        self.config = config
        self._content = content
        self._timbre = timbre
        self._speaker = speaker
        self._mel = mel
        self._recall = recall

    @classmethod
    def open(
        cls,
        content: Path,
        timbre: Path,
        config: ReferenceConfig,
        options: SessionOptions,
        speaker: Path | None = None,
        mel: Path | None = None,
        recall: EnvelopePredictor | None = None,
    ) -> "ReferenceEncoder":
        """content: audio float32 [1, n] → tokens int64 [1, T]; timbre: audio → timbre float32 [1, D].

        speaker: audio → speaker float32 [1, S], which `timbre` then takes too; mel: audio → mel float32 [1, C, R];
        recall: needs f0 float32 [1, F] in Hz, 0 where there is none, of `content` too.
        """
        gives = ("tokens",) if recall is None else ("tokens", "f0")
        heard = ("audio",) if speaker is None else ("audio", "speaker")
        return cls(
            Graph(content, ("audio",), gives, options),
            Graph(timbre, heard, ("timbre",), options),
            config,
            None if speaker is None else Graph(speaker, ("audio",), ("speaker",), options),
            None if mel is None else Graph(mel, ("audio",), ("mel",), options),
            recall,
        )

    def tokens(self, recording: Recording) -> NDArray[np.int64]:
        """Semantic tokens [T] of a recording, and of the silence that the model is used to behind it."""
        silence = np.zeros((1, self.config.silence), np.float32)
        audio = np.concatenate([_row(recording[self.config.rate]), silence], axis=1)
        tokens: NDArray[np.int64] = self._content({"audio": audio})[0][0]
        return tokens

    def timbre(self, recordings: Sequence[Recording]) -> NDArray[np.float32]:
        """Timbre [D] of one or several recordings of a speaker: the mean, as in the official code."""
        if not recordings:
            raise ValueError("a timbre needs at least one recording")
        mean: NDArray[np.float32] = np.mean([self._heard(r) for r in recordings], axis=0, dtype=np.float32)
        return mean

    def mel(self, recording: Recording) -> NDArray[np.float32] | None:
        """Mel [C, R] of a recording, None where the model does not go on from one."""
        if self._mel is None or self.config.mel_rate is None:
            return None
        mel: NDArray[np.float32] = self._mel({"audio": _row(recording[self.config.mel_rate])})[0][0]
        return mel

    def residuals(
        self, recordings: Sequence[Recording], timbre: NDArray[np.float32]
    ) -> NDArray[np.float32] | None:
        """What stage two lacks of a voice with this timbre, [sounds, 2, points]; None where the model does not remember."""
        if self._recall is None:
            return None
        found = []
        for recording in recordings:
            samples = recording[self.config.rate]
            tokens, f0 = self._content({"audio": _row(samples)})
            found.append(self._recall.residuals(samples, self.config.rate, tokens[0], f0[0], timbre))
        sounds = np.concatenate(found)
        return sounds[:: -(-len(sounds) // MOST_SOUNDS)]

    def _heard(self, recording: Recording) -> NDArray[np.float32]:
        inputs = {"audio": _row(recording[self.config.timbre_rate])}
        if self._speaker is not None:
            (inputs["speaker"],) = self._speaker({"audio": _row(recording[self.config.rate])})
        timbre: NDArray[np.float32] = self._timbre(inputs)[0][0]
        return timbre


def _row(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    if audio.ndim != 1 or not len(audio):
        raise ValueError(f"a recording is mono and not empty, not of the shape {audio.shape}")
    return np.ascontiguousarray(audio, np.float32)[None]
