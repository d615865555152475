"""Level and pace of speech, which need no model: a muted or hurried voice is found by them."""

import numpy as np

from timbral.audio.levels import frame_levels
from timbral.audio.measures import active_level
from timbral.evaluation.metrics.interface import Column, Measured, Spoken
from timbral.evaluation.metrics.units import known_language
from timbral.text import to_phones

_PHONES_A_SECOND = {"zh": 9.2, "en": 12.0, "ja": 14.5, "ko": 13.0, "yue": 9.2}
"""Ordinary speech with its pauses, by language."""
_STEP = 0.01
_EDGE = 40.0
"""dB below the loudest frames at which speech begins and ends."""
_MARKS = frozenset(",.!?…-_#[]")


class Delivery:
    """Level in dB of full scale without pauses, pace as a multiple of ordinary speech, and length in seconds."""

    name = "delivery"
    fingerprint = "delivery 1"
    needs_parent = False
    columns = (
        Column("level", "level", "near", 1, "dB"),
        Column("pace", "pace", "near"),
        Column("seconds", "length", "near", 2, "s"),
    )

    def measure(self, spoken: Spoken) -> Measured:
        samples, rate = spoken.speech.samples, spoken.speech.rate
        values = {"level": active_level(samples, rate), "seconds": len(samples) / rate}
        levels = frame_levels(samples, rate, _STEP)
        loud = np.flatnonzero(levels > levels.max(initial=-120) - _EDGE)
        if len(loud):
            language = known_language(spoken.language)
            phones = [phone for phone in to_phones(spoken.text, language, "v2").phones if phone not in _MARKS]
            spent = (loud[-1] - loud[0] + 1) * _STEP
            values["pace"] = len(phones) / _PHONES_A_SECOND[language] / spent
        return Measured(values)
