"""From raw recordings to the clips of one speaker, ready for fine-tuning."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from timbral.data import PreparationConfig, Prepared, prepare
from timbral.data.denoising import can_denoise
from timbral.data.listing import Line
from timbral.data.transcribers import NONE, WHISPER
from timbral.training.main_speaker import main_speaker
from timbral.training.recordings import read_recordings
from timbral.training.task import ProgressCallback, no_progress

_AT_LEAST = 30.0
"""Seconds of speech below which noisy and clipped clips are used as well."""


@dataclass(frozen=True)
class SpeakerSet:
    """A prepared training set of one speaker.

    lines: clips of the speaker who speaks most. others: file names of the clips of other speakers. seconds: of
    `lines`.
    """

    prepared: Prepared
    lines: tuple[Line, ...]
    others: tuple[str, ...]
    seconds: float


def preparation_config(
    speaker: str,
    language: str = "auto",
    *,
    uses_text: bool,
    separate: bool = False,
    denoise: bool | None = None,
    transcriber: str | None = None,
    at_most: float = 300.0,
) -> PreparationConfig:
    """Settings of preparing recordings for fine-tuning.

    uses_text: whether the stages that are trained need transcripts. denoise: by default where it is installed. Raises
    SettingError.
    """
    return PreparationConfig(
        speaker=speaker.replace("|", " "),
        language=language,
        separate=separate,
        denoise=can_denoise() if denoise is None else denoise,
        transcriber=transcriber or (WHISPER if uses_text else NONE),
        at_most=at_most,
        at_least=_AT_LEAST,
    )


def prepare_speaker(
    recordings: Sequence[str | Path],
    folder: Path,
    settings: PreparationConfig,
    on_progress: ProgressCallback = no_progress,
) -> SpeakerSet:
    """Prepares recordings in a folder, and keeps the clips of the speaker who speaks most. Raises as `prepare` does."""
    prepared = prepare(recordings, folder, settings, on_progress)
    lines, others = main_speaker(read_recordings(prepared.path)[0], on_progress)
    elsewhere = sum(soundfile.info(str(line.audio)).duration for line in others)
    return SpeakerSet(
        prepared, tuple(lines), tuple(line.audio.name for line in others), prepared.seconds - elsewhere
    )
