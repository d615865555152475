"""The cloned voice that fine-tuning starts from, made of the most suitable recordings."""

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
"""Length of a reference in seconds."""
_MAX_REFERENCES = 8
_RATE = 32_000


def reference_voice(
    synthesizer: Synthesizer, recordings: Sequence[Line], consent: Consent | None = None
) -> Voice:
    """Clones a voice from up to eight recordings of suitable length; the first one becomes the prompt if it
    has a transcript.

    If none is suitable, short recordings are joined. Raises TrainingError: the recordings hold no usable
    reference.
    """
    seconds = {recording: _seconds(recording) for recording in recordings}
    suitable = [r for r in recordings if _SHORTEST <= seconds[r] <= _LONGEST]
    suitable.sort(key=lambda r: (not r.text, abs(seconds[r] - _BEST)))
    with warnings.catch_warnings():
        # Preparing the recordings has reported their quality already.
        warnings.simplefilter("ignore", TimbralWarning)
        for start in range(len(suitable)):
            references = suitable[start : start + _MAX_REFERENCES]
            prompt = references[0]
            try:
                return synthesizer.clone(
                    [r.audio for r in references],
                    text=prompt.text or None,
                    language=prompt.language or "auto",
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
    """A wav file of consecutive recordings, as long as a reference."""
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
