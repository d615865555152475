"""The voice that fine-tuning starts from: as the model hears it in the recordings that suit it best."""

import io
import warnings
from collections.abc import Sequence

import numpy as np
import soundfile

from timbral.audio import read
from timbral.audio.resampling import resample
from timbral.data.listing import Line
from timbral.errors import AudioError, TextError, TimbralWarning, TrainingError
from timbral.synthesizer import Synthesizer
from timbral.voices.voice import Consent, Voice

_SHORTEST, _BEST, _LONGEST = 3.2, 6.0, 9.8
"""Seconds of a reference."""
_MOST = 8
_RATE = 32_000


def hear_voice(synthesizer: Synthesizer, recordings: Sequence[Line], consent: Consent | None = None) -> Voice:
    """The voice of recordings whose lengths suit a reference, up to eight; the first is spoken on from where its text is known.

    Where none suits, as many as make one are put together. Raises TrainingError: nothing that could be a reference, or no text
    for a model that needs one.
    """
    lengths = {recording: _seconds(recording) for recording in recordings}
    suited = [r for r in recordings if _SHORTEST <= lengths[r] <= _LONGEST]
    suited.sort(key=lambda r: (not r.text, abs(lengths[r] - _BEST)))
    with warnings.catch_warnings():
        # What is worth knowing about recordings has been said when they were prepared.
        warnings.simplefilter("ignore", TimbralWarning)
        for start in range(len(suited)):
            chosen = suited[start : start + _MOST]
            first = chosen[0]
            try:
                return synthesizer.clone(
                    [r.audio for r in chosen],
                    text=first.text or None,
                    language=first.language or "auto",
                    consent=consent,
                )
            except (AudioError, TextError):
                continue
        try:
            return synthesizer.clone(_joined(recordings), consent=consent)
        except AudioError as error:
            raise TrainingError(f"no recording can be a reference of the voice: {error}") from None


def _seconds(recording: Line) -> float:
    try:
        return float(soundfile.info(str(recording.audio)).duration)
    except (OSError, soundfile.LibsndfileError):
        return 0.0


def _joined(recordings: Sequence[Line]) -> bytes:
    """Recordings one after the other, up to the length of a reference, as a file."""
    pieces, seconds = [np.zeros(0, np.float32)], 0.0
    for recording in recordings:
        try:
            samples, rate = read(recording.audio)
        except AudioError:
            continue
        pieces.append(resample(samples, rate, _RATE)[: int((_LONGEST - seconds) * _RATE)])
        seconds = sum(map(len, pieces)) / _RATE
        if seconds >= _BEST:
            break
    file = io.BytesIO()
    soundfile.write(file, np.concatenate(pieces), _RATE, format="WAV", subtype="FLOAT")
    return file.getvalue()
