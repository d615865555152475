"""Error rate of what a recogniser understands."""

import importlib.util
from functools import lru_cache

from timbral.audio.resampling import resample
from timbral.data.transcribers import open_transcriber
from timbral.data.transcription import RATE, Transcriber
from timbral.errors import InstallationError, SettingError
from timbral.evaluation.metrics.interface import Column, Measured, Spoken
from timbral.evaluation.metrics.units import characters, count_edits, units


class RecognitionError:
    """Edits over units, see `timbral.evaluation.metrics.units`, and over characters (CER).

    The recogniser is any that `timbral prepare` takes: a faster-whisper model by name or folder.
    """

    name = "recognition"
    needs_parent = False
    columns = (
        Column("error", "error", "low", 3),
        Column("cer", "CER", "low", 3),
    )

    def __init__(self, recogniser: str) -> None:
        """Raises SettingError, InstallationError, BundleError, HubError."""
        if importlib.util.find_spec("faster_whisper") is None:
            raise InstallationError(
                "recognition needs faster-whisper; install it with: pip install 'timbral[evaluate]', or leave recognition out of "
                "--metrics"
            )
        self._recogniser = _opened(recogniser)
        self.fingerprint = f"recognition 1, {self._recogniser.name}"

    def measure(self, spoken: Spoken) -> Measured:
        samples = resample(spoken.speech.samples, spoken.speech.rate, RATE)
        (transcript,) = self._recogniser.transcribe([samples], spoken.language)
        values, weights = {}, {}
        for name, split in (("error", units), ("cer", characters)):
            wanted, heard = split(spoken.text, spoken.language), split(transcript.text, spoken.language)
            joins = name == "error" and spoken.language == "en"
            weights[name] = float(max(1, len(wanted)))
            values[name] = count_edits(wanted, heard, compounds=joins) / weights[name]
        return Measured(values, weights, transcript.text)


@lru_cache(maxsize=1)
def _opened(name: str) -> Transcriber:
    """Kept for the next evaluation, since it takes seconds to open."""
    opened = open_transcriber(name, compute_type="int8")
    if opened is None:
        raise SettingError("the recogniser is none; leave recognition out of the metrics instead")
    return opened
