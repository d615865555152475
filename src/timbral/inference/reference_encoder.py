"""Encodes reference recordings: content as semantic tokens, the speaker as a timbre, and a mel or spectral corrections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timbral.inference import prosody
from timbral.inference.acoustic.residuals import EnvelopePredictor
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import Bundle, ReferenceFormat, files
from timbral.voices import Prosody

MOST_RESIDUALS = 1000
"""Spectral corrections of a voice; of more, an even selection is kept."""

Recording = Mapping[int, NDArray[np.float32]]
"""The same speech at each rate that a graph reads: samples float32 [n], mono, by rate in Hz."""


@dataclass(frozen=True, eq=False)
class Heard:
    """What the content graph hears in a recording: tokens int64 [T], F0 float32 [F] in Hz or 0, and, where the graph says so,
    the seconds that the model would take for what is said, without pauses.
    """

    tokens: NDArray[np.int64]
    f0: NDArray[np.float32]
    usual: float | None


class ReferenceEncoder:
    """The graphs that read recordings. Immutable, shared by all requests."""

    def __init__(
        self,
        content: Graph,
        timbre: Graph,
        audio: ReferenceFormat,
        *,
        speaker: Graph | None = None,
        mel: Graph | None = None,
        mel_rate: int | None = None,
        envelopes: EnvelopePredictor | None = None,
    ) -> None:
        """content: audio float32 [1, n] → tokens int64 [1, T], and with `envelopes` f0 float32 [1, F] in Hz or 0; it may also
        give usual float32 [1, T], the seconds that the model would take for what is said in each token's time.
        timbre: audio, and with `speaker` its result → timbre float32 [1, D]. speaker: audio → speaker float32 [1, S].
        mel: audio at `mel_rate` → mel float32 [1, C, R].
        """
        self._content = content
        self._timbre = timbre
        self._audio = audio
        self._timbre_rate = audio.timbre_rate or audio.rate
        self._speaker = speaker
        self._mel = mel
        self._mel_rate = mel_rate
        self._envelopes = envelopes

    @classmethod
    def open(cls, bundle: Bundle, options: SessionOptions) -> "ReferenceEncoder":
        """Opens the graphs that the manifest asks for."""
        shape, audio = bundle.manifest.acoustic, ("audio",)
        with_speaker = shape.kind == "vits" and shape.speaker
        mel_rate = shape.mel_sample_rate if shape.kind == "flow-matching" else None
        envelopes = None
        if shape.kind == "source-filter" and shape.envelope:
            envelopes = EnvelopePredictor.open(bundle, shape, options)

        def graph(name: str, inputs: tuple[str, ...], *outputs: str) -> Graph:
            return Graph(bundle.path(name), inputs, outputs, options)

        return cls(
            graph(files.CONTENT, audio, "tokens", *(("f0",) if envelopes else ())),
            graph(files.TIMBRE, ("audio", "speaker") if with_speaker else audio, "timbre"),
            bundle.manifest.reference,
            speaker=graph(files.SPEAKER, audio, "speaker") if with_speaker else None,
            mel=graph(files.MEL, audio, "mel") if mel_rate else None,
            mel_rate=mel_rate,
            envelopes=envelopes,
        )

    @property
    def rates(self) -> tuple[int, ...]:
        """All rates in Hz at which recordings are read, that of the content first."""
        rates = (self._audio.rate, self._timbre_rate, self._mel_rate)
        return tuple(dict.fromkeys(rate for rate in rates if rate is not None))

    def tokens(self, recording: Recording) -> NDArray[np.int64]:
        """Semantic tokens [T] of a recording, and of the silence behind it that the model was trained with."""
        silence = np.zeros((1, self._audio.silence), np.float32)
        audio = np.concatenate([_row(recording[self._audio.rate]), silence], axis=1)
        tokens: NDArray[np.int64] = self._content({"audio": audio})[0][0]
        return tokens

    def timbre(self, recordings: Sequence[Recording]) -> NDArray[np.float32]:
        """Timbre [D] of one or several recordings of a speaker: the mean, as in the official code."""
        if not recordings:
            raise ValueError("a timbre needs at least one recording")
        mean: NDArray[np.float32] = np.mean(
            [self._one_timbre(r) for r in recordings], axis=0, dtype=np.float32
        )
        return mean

    def mel(self, recording: Recording) -> NDArray[np.float32] | None:
        """Mel [C, R] of a recording, None for models that do not continue one."""
        if self._mel is None or self._mel_rate is None:
            return None
        mel: NDArray[np.float32] = self._mel({"audio": _row(recording[self._mel_rate])})[0][0]
        return mel

    def hear(self, recordings: Sequence[Recording]) -> list[Heard]:
        """What `residuals` and `prosody` are computed from; nothing for models without them."""
        return [self._hear(recording) for recording in recordings] if self._envelopes else []

    def residuals(
        self, recordings: Sequence[Recording], heard: Sequence[Heard], timbre: NDArray[np.float32]
    ) -> NDArray[np.float32] | None:
        """Spectral corrections [sounds, 2, points] of a voice with this timbre; None for models without them."""
        if self._envelopes is None:
            return None
        rate = self._audio.rate
        found = [
            self._envelopes.residuals(recording[rate], rate, one.tokens, one.f0, timbre)
            for recording, one in zip(recordings, heard, strict=True)
        ]
        sounds = np.concatenate(found)
        return sounds[:: -(-len(sounds) // MOST_RESIDUALS)]

    def prosody(
        self, recordings: Sequence[Recording], heard: Sequence[Heard], usual: float | None
    ) -> Prosody | None:
        """How the speaker speaks; None for models that do not follow it.

        usual: seconds that the model would take for the first recording, without pauses, where its transcript is known.
        """
        if not heard:
            return None
        timings = [prosody.timing(recording[self._audio.rate], self._audio.rate) for recording in recordings]
        known = [one.usual for one in heard if one.usual is not None]
        if usual is not None:
            known = [prosody.trusted(usual, known[0] if known else None), *known[1:]]
        return prosody.measured(timings, known, [one.f0 for one in heard])

    def _hear(self, recording: Recording) -> Heard:
        names = ("tokens", "f0", *(("usual",) if "usual" in self._content.gives else ()))
        tokens, f0, *usual = self._content({"audio": _row(recording[self._audio.rate])}, names)
        return Heard(tokens[0], f0[0], float(usual[0].sum()) if usual else None)

    def _one_timbre(self, recording: Recording) -> NDArray[np.float32]:
        inputs = {"audio": _row(recording[self._timbre_rate])}
        if self._speaker is not None:
            (inputs["speaker"],) = self._speaker({"audio": _row(recording[self._audio.rate])})
        timbre: NDArray[np.float32] = self._timbre(inputs)[0][0]
        return timbre


def _row(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    if audio.ndim != 1 or not len(audio):
        raise ValueError(f"a recording is mono and not empty, not of the shape {audio.shape}")
    return np.ascontiguousarray(audio, np.float32)[None]
