"""DistillMOS (Stahl and Gamper 2025): predicted mean opinion score, 1 to 5, where distillmos is installed."""

import importlib
from typing import Any

import numpy as np

from timbral.audio.resampling import resample
from timbral.errors import InstallationError
from timbral.evaluation.metrics.interface import Column, Measured, Spoken

_RATE = 16_000


class DistillMos:
    """Overall quality; needs torch."""

    name = "distillmos"
    fingerprint = "DistillMOS"
    needs_parent = False
    columns = (Column("distillmos", "DistillMOS", "high"),)

    def __init__(self) -> None:
        """Raises InstallationError."""
        try:
            self._torch: Any = importlib.import_module("torch")
            self._model = importlib.import_module("distillmos").ConvTransformerSQAModel().eval()
        except (ImportError, OSError) as error:  # torchaudio's library may not fit torch's
            raise InstallationError(
                f"DistillMOS needs distillmos, torch and torchaudio ({str(error).splitlines()[0][:80]}); install them with: "
                "pip install distillmos, or leave distillmos out of --metrics"
            ) from None

    def measure(self, spoken: Spoken) -> Measured:
        samples = resample(spoken.speech.samples, spoken.speech.rate, _RATE)
        if not samples.any():
            return Measured({"distillmos": 1.0})
        with self._torch.inference_mode():
            score = self._model(self._torch.from_numpy(np.ascontiguousarray(samples))[None])
        return Measured({"distillmos": float(score)})
