"""What the engine is asked for: one sentence, and the voice that is to speak it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from timbral.inference.semantic.sampling import Sampling


def _no_ids() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


def _no_languages() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True)
class UtteranceRequest:
    """One sentence that is to be spoken.

    phones: int64 [n], the sentence's own. languages: how many of them are of which language, as far as known.
    prompt_phones: int64 [m], prompt: int64 [p], timbre: float32 [D]: the voice.
    features, prompt_features: float32 [n, d] and [m, d], where the model takes features beside phones.
    mel: float32 [bands, r], of the prompt, where stage two goes on from it.
    residuals: float32 [sounds, 2, points], what stage two lacks of the voice, where that is known.
    steps: of the solver, where stage two has one; None for the model's own.
    opens: whether a speech begins with it, so that its sound is waited for.
    seed: names all that is random in this line; the same line with the same seed is the same sound.
    """

    phones: NDArray[np.int64]
    timbre: NDArray[np.float32]
    languages: Mapping[str, int] = field(default_factory=_no_languages)
    prompt_phones: NDArray[np.int64] = field(default_factory=_no_ids)
    prompt: NDArray[np.int64] = field(default_factory=_no_ids)
    features: NDArray[np.float32] | None = None
    prompt_features: NDArray[np.float32] | None = None
    mel: NDArray[np.float32] | None = None
    residuals: NDArray[np.float32] | None = None
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    speed: float = 1.0
    steps: int | None = None
    opens: bool = False

    @property
    def all_phones(self) -> NDArray[np.int64]:
        """What stage one reads: the prompt's phones, then the sentence's, int64 [m + n]."""
        return np.concatenate([self.prompt_phones, self.phones])

    @property
    def all_features(self) -> NDArray[np.float32] | None:
        """Features beside them, float32 [m + n, d]: zeros for what has none, None where nothing has any."""
        parts = ((self.prompt_features, self.prompt_phones), (self.features, self.phones))
        widths = [features.shape[1] for features, _ in parts if features is not None]
        if not widths:
            return None
        return np.concatenate(
            [
                np.zeros((len(phones), widths[0]), np.float32) if features is None else features
                for features, phones in parts
            ]
        )
