"""What the engine is asked for: one utterance, and the voice that speaks it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from timbral.config import SamplingConfig
from timbral.text import Utterance

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


def _no_ids() -> Ids:
    return np.zeros(0, np.int64)


def _no_languages() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Conditioning:
    """A voice as both stages read it; made once for a text.

    timbre: float32 [D]. prompt_tokens: int64 [p], prompt_phones: int64 [m]: the prompt that stage one continues.
    prompt_features: float32 [m, d], BERT features of these phones. mel: float32 [bands, r], of the prompt, where
    stage two continues it. residuals: float32 [sounds, 2, points], spectral corrections of the voice.
    pace, pauses: factors on the durations of phones, and beside it on those of pauses, where a duration model sets them.
    pitch_range: factor on how far F0 moves around the speaker's mean, where stage two predicts it.
    """

    timbre: Floats
    prompt_tokens: Ids = field(default_factory=_no_ids)
    prompt_phones: Ids = field(default_factory=_no_ids)
    prompt_features: Floats | None = None
    mel: Floats | None = None
    residuals: Floats | None = None
    pace: float = 1.0
    pauses: float = 1.0
    pitch_range: float = 1.0


@dataclass(frozen=True, eq=False)
class UtteranceRequest:
    """One utterance to be spoken; the same request is always the same samples.

    phones: int64 [n], without the prompt's. languages: how many of them are of which language, as far as known.
    features: float32 [n, d], BERT features of the phones, where the model reads any.
    seed: names all random numbers of the utterance. speed: divides durations.
    steps: of the ODE solver, where stage two has one; None for the model's own.
    opens: whether a speech begins with it, so that somebody waits for its first samples.
    pause: seconds of silence after it. pause_before: seconds before it that replace those after the one before.
    pause_within: seconds by which pauses between sentences within the
    utterance are longer than the model makes them. progress: share of the text, 0 to 1, up to its end.
    utterance: what the phones are of, for timestamps; None where nobody asks for these.
    """

    phones: Ids
    voice: Conditioning
    languages: Mapping[str, int] = field(default_factory=_no_languages)
    features: Floats | None = None
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    seed: int = 0
    speed: float = 1.0
    steps: int | None = None
    opens: bool = False
    pause: float = 0.0
    pause_before: float | None = None
    pause_within: float = 0.0
    progress: float = 1.0
    utterance: Utterance | None = None

    @property
    def all_phones(self) -> Ids:
        """What stage one reads: the prompt's phones, then the utterance's, int64 [m + n]."""
        return np.concatenate([self.voice.prompt_phones, self.phones])

    @property
    def all_features(self) -> Floats | None:
        """Features beside them, float32 [m + n, d]: zeros for what has none, None where nothing has any."""
        parts = ((self.voice.prompt_features, self.voice.prompt_phones), (self.features, self.phones))
        widths = [features.shape[1] for features, _ in parts if features is not None]
        if not widths:
            return None
        return np.concatenate(
            [
                np.zeros((len(phones), widths[0]), np.float32) if features is None else features
                for features, phones in parts
            ]
        )
