"""Settings of preparing, with defaults for speech of one person."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

from timbral.data.language import check
from timbral.data.quality import Thresholds
from timbral.data.separation import DRY, VOCALS
from timbral.data.slicing import Slicing
from timbral.data.transcribers import WHISPER
from timbral.errors import SettingError

_FORMAT = 2
"""Of what is noted of clips; another one has them made again."""


@dataclass(frozen=True)
class PreparationConfig:
    """How recordings become a training set.

    speaker: name in the list; that of the folder by default. language: `auto` or one of zh, en, ja, ko, yue.
    separate, dereverb: take the voice out of music, out of the room; with these models. denoise: take noise
    out of clips that have some, since it takes a little of the voice as well; denoise_below: dB of speech
    above the noise. transcriber: see `timbral.data.transcribers.open_transcriber`. rate: of the clips, in Hz;
    the official models learn at 32 kHz. loudness: of the clips, in LUFS. at_most: about how many seconds of
    speech are wanted, the cleanest of every recording; 0 for all that there is. at_least: seconds for which
    noisy and clipped clips are used where others are too few.
    """

    speaker: str = ""
    language: str = "auto"
    separate: bool = False
    dereverb: bool = False
    vocals_model: str = VOCALS
    dry_model: str = DRY
    denoise: bool = False
    denoise_below: float = 19.0
    transcriber: str = WHISPER
    rate: int = 32_000
    loudness: float = -23.0
    at_most: float = 0.0
    at_least: float = 0.0
    slicing: Slicing = field(default_factory=Slicing)
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        check(self.language)
        if not 16_000 <= self.rate <= 48_000:
            raise SettingError("the rate of clips is 16000 to 48000 Hz")
        if not -40 <= self.loudness <= -10:
            raise SettingError("the loudness of clips is -40 to -10 LUFS")
        if not 0 <= self.at_most < float("inf"):
            raise SettingError("the seconds of speech that are wanted are 0, for all, or more")
        if not 0 <= self.at_least < float("inf"):
            raise SettingError("the seconds of speech that there are to be at least are 0 or more")
        if not 0 <= self.denoise_below < float("inf"):
            raise SettingError("the level from which on noise is left in is 0 dB or more")
        if "|" in self.speaker or not self.speaker.isprintable():
            raise SettingError("the name of the speaker may hold neither '|' nor control characters")

    @property
    def separators(self) -> tuple[str, ...]:
        """Models for the voice, in the order in which they are used."""
        return (self.vocals_model,) * self.separate + (self.dry_model,) * self.dereverb

    def cutting_key(self, recording: str) -> str:
        """What the clips of a recording with this SHA-256 depend on, as a digest."""
        return _digest(
            _FORMAT,
            recording,
            self.separators,
            self.denoise,
            self.denoise_below,
            self.rate,
            self.loudness,
            asdict(self.slicing),
            self.thresholds.longest,
        )


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
