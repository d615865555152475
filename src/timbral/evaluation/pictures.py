"""Pictures of an evaluation: every case of every metric, and spectrograms of what differs most from the parent."""

from pathlib import Path
from typing import Any

import numpy as np

from timbral.audio.measures import log_mel
from timbral.errors import InstallationError
from timbral.evaluation.results import Evaluation
from timbral.paths import atomic_write

_COLUMNS = 5
_LEFT_OUT = {"seconds", "dnsmos_signal", "dnsmos_background", "cer"}
_PAIRS = 3
_RANGE = 60.0
"""dB below the loudest point that a spectrogram shows."""


def draw_metrics(evaluation: Evaluation, path: Path) -> None:
    """A panel a metric: cases as dots, means with their intervals, of the model and of its parent.

    Raises InstallationError.
    """
    both = [evaluation, *([evaluation.parent] if evaluation.parent else [])]
    columns = [
        column
        for column in evaluation.columns
        if column.name not in _LEFT_OUT and evaluation.average(column.name) is not None
    ]
    labels = [evaluation.model, evaluation.parent_label]
    rows = -(-len(columns) // _COLUMNS)
    figure = _figure(3 * _COLUMNS, 2.6 * rows)
    for place, column in enumerate(columns, 1):
        axis = figure.add_subplot(rows, _COLUMNS, place)
        shown = [one for one in both if one.average(column.name) is not None]
        for x, one in enumerate(shown):
            values = [row.values[column.name] for row in one.rows if column.name in row.values]
            spread = (np.arange(len(values)) % 7 - 3) * 0.04
            axis.scatter(x + spread, values, s=9, alpha=0.5, color="C1" if x else "C0")
            mean = one.mean(column.name)
            assert mean
            error = [[max(0, mean.mean - mean.low)], [max(0, mean.high - mean.mean)]]
            axis.errorbar([x], [mean.mean], error, fmt="_", color="black", capsize=6)
        axis.set_title(f"{column.title}{f', {column.unit}' if column.unit else ''}", fontsize=8)
        axis.set_xticks(range(len(shown)), labels[: len(shown)], fontsize=7)
        axis.set_xlim(-0.6, len(shown) - 0.4)
        axis.tick_params(axis="y", labelsize=6)
    _save(figure, path)


def draw_spectrograms(evaluation: Evaluation, path: Path) -> bool:
    """Log-mel spectrograms of the cases with the largest log-mel distance, the parent's above; whether there are any."""
    pairs = [(row, other) for row, other in evaluation.pairs() if row.speech and other.speech]
    pairs = sorted(pairs, key=lambda pair: -pair[0].values.get("log_mel", 0.0))[:_PAIRS]
    if not pairs or evaluation.parent is None:
        return False
    figure = _figure(4.5 * len(pairs), 4.5)
    for place, (row, other) in enumerate(pairs, 1):
        lines = ((evaluation.parent, other, evaluation.parent_label), (evaluation, row, evaluation.model))
        for line, (source, one, label) in enumerate(lines):
            sound = source.speech(one)
            axis = figure.add_subplot(2, len(pairs), place + line * len(pairs))
            mel = log_mel(sound.samples, sound.rate).T
            axis.imshow(
                mel,
                aspect="auto",
                origin="lower",
                extent=(0, sound.duration, 0, mel.shape[0]),
                vmin=mel.max() - _RANGE,
                vmax=mel.max(),
                cmap="magma",
            )
            axis.set_title(f"{row.case}, {label}", fontsize=8)
            axis.tick_params(labelsize=6)
    _save(figure, path)
    return True


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InstallationError(
            "the report needs matplotlib; install it with: pip install 'timbral[evaluate]'"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: Path) -> None:
    with atomic_write(path) as part:
        figure.savefig(part, dpi=90, format="png")
