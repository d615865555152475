"""DNSMOS P.835 (Reddy et al. 2022): predicted mean opinion score of the sound, 1 to 5.

The weights come from the package speechmos. Its code is not used, since it imports librosa, requests and pandas.
"""

import importlib.util
from pathlib import Path

import numpy as np

from timbral.audio.resampling import resample
from timbral.errors import InstallationError
from timbral.evaluation.metrics.interface import Column, Measured, Spoken
from timbral.inference.sessions import Graph, SessionOptions

_RATE = 16_000
_WINDOW = 144_160
"""Samples that the network takes, 9.01 s."""
_GRAPH = "dnsmos_models/sig_bak_ovr.onnx"
_CALIBRATION = (
    np.poly1d([-0.08397278, 1.22083953, 0.0052439]),
    np.poly1d([-0.13166888, 1.60915514, -0.39604546]),
    np.poly1d([-0.06766283, 1.11546468, 0.04602535]),
)
"""Published polynomials from the network's outputs to scores: signal, background, overall."""


class Dnsmos:
    """Overall score, and those of the voice and of the background."""

    name = "dnsmos"
    fingerprint = "DNSMOS P.835"
    needs_parent = False
    columns = (
        Column("dnsmos", "DNSMOS", "high"),
        Column("dnsmos_signal", "DNSMOS signal", "high"),
        Column("dnsmos_background", "DNSMOS background", "high"),
    )

    def __init__(self, options: SessionOptions) -> None:
        """Raises InstallationError."""
        spec = importlib.util.find_spec("speechmos")
        folders = spec.submodule_search_locations if spec else None
        graph = next((path for folder in folders or [] if (path := Path(folder) / _GRAPH).is_file()), None)
        if graph is None:
            raise InstallationError(
                "DNSMOS needs speechmos; install it with: pip install 'timbral[evaluate]', or leave dnsmos out of --metrics"
            )
        self._graph = Graph(graph, ("input_1",), ("Identity:0",), options)

    def measure(self, spoken: Spoken) -> Measured:
        samples = resample(spoken.speech.samples, spoken.speech.rate, _RATE)
        peak = float(np.abs(samples).max(initial=0))
        if not peak:
            return Measured(dict.fromkeys((column.name for column in self.columns), 1.0))
        samples = samples / max(1.0, peak)
        # Short speech is repeated, as in the published code.
        repeated = np.resize(samples, max(_WINDOW, len(samples)))
        starts = range(0, len(repeated) - _WINDOW + 1, _RATE)
        raw = [self._graph({"input_1": repeated[None, at : at + _WINDOW]})[0][0] for at in starts]
        scores = [
            float(np.mean(curve(column)))
            for curve, column in zip(_CALIBRATION, np.transpose(raw), strict=True)
        ]
        return Measured({"dnsmos_signal": scores[0], "dnsmos_background": scores[1], "dnsmos": scores[2]})
