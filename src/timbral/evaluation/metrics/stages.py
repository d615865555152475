"""The two stages of a model, each against the parent's on the same input.

Two models that sample differently say a text with another melody, which hides small faults of either stage. So stage
one is compared under teacher forcing, and stage two by the sound of the parent's tokens with the same noise.
"""

import warnings

import numpy as np
from numpy.typing import NDArray

from timbral.audio.measures import log_mel_distance, relative_error, signal_to_noise
from timbral.audio.resampling import resample
from timbral.errors import TimbralWarning
from timbral.evaluation.metrics.interface import Column, Measured, Spoken
from timbral.inference.frontend import Frontend
from timbral.inference.reference_encoder import ReferenceEncoder
from timbral.inference.semantic.backend import Backend, open_backend
from timbral.inference.semantic.teacher_forcing import argmax_agreement, divergence, teacher_forced
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, files

_LEAST = 0.2
"""Seconds that are long enough to compare."""
_MOST_SIGNAL_TO_NOISE = 120.0
"""dB: near the rounding of float32 itself."""


class StageOne:
    """Next-token logits on the parent's speech: share of equal favourites, and KL divergence in nats.

    The parent's content encoder turns its speech into tokens again, and both models predict each of them from those
    before it.
    """

    name = "stage_one"
    needs_parent = True
    columns = (
        Column("agreement", "stage one: same likeliest token", "high"),
        Column("divergence", "stage one: KL divergence", "low", 3, "nats"),
    )

    def __init__(self, bundle: Bundle, parent: Bundle, options: SessionOptions, mark: str) -> None:
        """mark: digest of the parent. Raises BundleError."""
        self._reader = ReferenceEncoder.open(parent, options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TimbralWarning)
            self._frontend = Frontend.open(parent, options)
        self._backends = [_stage_one(each, options) for each in (parent, bundle)]
        self._capacity = min(each.manifest.semantic.capacity for each in (parent, bundle))
        self.fingerprint = f"stage one 1, {mark}"

    def measure(self, spoken: Spoken) -> Measured:
        assert spoken.parent is not None
        rate = self._reader.rates[0]
        samples = resample(spoken.parent.samples, spoken.parent.rate, rate)
        if len(samples) < _LEAST * rate or not samples.any():
            return Measured({})
        tokens = self._reader.tokens({rate: samples})
        utterance = self._frontend.transcript(spoken.text, spoken.language)
        features = self._frontend.features(utterance)
        tokens = tokens[: max(0, self._capacity - len(utterance.ids) - 1)]
        expected, found = (teacher_forced(each, utterance.ids, features, tokens) for each in self._backends)
        if not np.isfinite(found).all():
            return Measured({"agreement": 0.0})
        return Measured(
            {"agreement": argmax_agreement(expected, found), "divergence": divergence(expected, found)}
        )


class StageTwo:
    """Sound of the parent's tokens: log-mel distance frame by frame, and signal to noise, both in dB."""

    name = "stage_two"
    needs_parent = True
    columns = (
        Column("stage_two_log_mel", "stage two: log-mel distance", "low", 2, "dB"),
        Column("stage_two_snr", "stage two: signal to noise", "high", 1, "dB"),
    )

    def __init__(self, mark: str) -> None:
        """mark: digest of the parent."""
        self.fingerprint = f"stage two 1, {mark}"

    def measure(self, spoken: Spoken) -> Measured:
        pair = _same_length(spoken)
        if pair is None:
            return Measured({})
        reference, other, rate = pair
        noise = _MOST_SIGNAL_TO_NOISE
        if relative_error(reference, other) > 0:
            noise = min(noise, signal_to_noise(reference, other))
        return Measured(
            {"stage_two_log_mel": log_mel_distance(reference, other, rate), "stage_two_snr": noise}
        )


class NothingShared:
    """Stands for one of these metrics where two models share no tokens: it has its columns, and no values."""

    needs_parent = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.columns = StageOne.columns if name == StageOne.name else StageTwo.columns
        self.fingerprint = "no shared tokens"

    def measure(self, spoken: Spoken) -> Measured:
        return Measured({})


def _stage_one(bundle: Bundle, options: SessionOptions) -> Backend:
    return open_backend(
        bundle.path(files.SEMANTIC_PREFILL),
        bundle.path(files.SEMANTIC_STEP),
        options,
        slots=1,
        capacity=bundle.manifest.semantic.capacity,
    )


def _same_length(spoken: Spoken) -> tuple[NDArray[np.float32], NDArray[np.float32], int] | None:
    """The parent's speech, that of the same tokens, and their rate; None where there is nothing to compare."""
    if spoken.parent is None or spoken.same_tokens is None:
        return None
    rate = min(spoken.parent.rate, spoken.same_tokens.rate)
    reference, other = spoken.parent.resample(rate).samples, spoken.same_tokens.resample(rate).samples
    length = min(len(reference), len(other))
    if length < _LEAST * rate or not reference[:length].any():
        return None
    return reference[:length], other[:length], rate
