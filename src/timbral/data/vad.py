"""Voice activity detection (VAD) by Silero's model, which faster-whisper carries."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.errors import InstallationError

RATE = 16_000
FRAME = 512
"""Samples at RATE that one probability stands for."""

SPEECH = 0.5
"""Probability from which a frame counts as speech."""


def speech_probabilities(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability of speech in each frame [ceil(n / FRAME)] of samples [n] at RATE. Raises InstallationError."""
    if not len(samples):
        return np.zeros(0, np.float32)
    padded = np.pad(samples, (0, -len(samples) % FRAME))
    probabilities: NDArray[np.float32] = np.asarray(_detector()(padded), np.float32).reshape(-1)
    return probabilities


@cache
def _detector() -> Any:
    try:
        from faster_whisper.vad import get_vad_model
    except ImportError:
        raise InstallationError(
            "finding speech needs faster-whisper; install it with: pip install 'timbral[data]'"
        ) from None
    return get_vad_model()
