"""Second half of preparing: clips to texts, cached in the journal."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.audio.reading import read
from timbral.audio.resampling import resample
from timbral.data.clips import Clip
from timbral.data.cutting import CutRecording
from timbral.data.journal import Journal
from timbral.data.language import is_sure, prevailing
from timbral.data.progress import OnProgress
from timbral.data.transcription import RATE, Transcriber, Transcript

_KIND = "transcript"
_TOGETHER = 120.0
"""Seconds of clips that are transcribed together, and lost when the process is killed."""

_FIELDS = tuple(field.name for field in fields(Transcript))


def transcribe_clips(
    cuts: Sequence[CutRecording],
    wanted: Sequence[Sequence[Clip]],
    folder: Path,
    journal: Journal,
    transcriber: Transcriber,
    language: str,
    on_progress: OnProgress,
) -> dict[str, Transcript]:
    """What is said in the clips, by name; what the journal knows is not asked again.

    wanted: of each of the recordings `cuts`, the clips to transcribe, in `folder`. language: `auto`, or that
    of all. In doubt, a clip is in the language of most of its recording.
    """
    cached = _CachedTranscriber(folder, journal, transcriber)
    total, done = sum(map(len, wanted)), 0
    transcripts: dict[str, Transcript] = {}
    for cut, clips in zip(cuts, wanted, strict=True):
        transcribed: list[tuple[Clip, Transcript]] = []
        for group in _groups(clips):
            on_progress(f"transcribing {total} clips", done / total)
            said = cached.transcripts(cut.key, group, None if language == "auto" else language)
            transcribed += zip(group, said, strict=True)
            done += len(group)
        if language == "auto":
            transcribed = list(_agreed(transcribed, cut.key, cached))
        transcripts |= {clip.name: transcript for clip, transcript in transcribed}
    return transcripts


def _groups(clips: Sequence[Clip]) -> Iterator[list[Clip]]:
    """Neighbours that are transcribed together."""
    group: list[Clip] = []
    for clip in clips:
        if group and sum(one.sound.seconds for one in [*group, clip]) > _TOGETHER:
            yield group
            group = []
        group.append(clip)
    if group:
        yield group


def _agreed(
    transcribed: Sequence[tuple[Clip, Transcript]], key: str, cached: "_CachedTranscriber"
) -> Iterator[tuple[Clip, Transcript]]:
    """The transcripts, doubtful ones made again in the language of most of the recording."""
    most = prevailing((said.language, said.probability, clip.sound.seconds) for clip, said in transcribed)
    for clip, said in transcribed:
        doubtful = most and said.language != most and not said.foreign and not is_sure(said.probability)
        yield clip, cached.transcripts(key, [clip], most)[0] if doubtful else said


class _CachedTranscriber:
    """A recogniser whose transcripts are cached in the journal."""

    def __init__(self, folder: Path, journal: Journal, transcriber: Transcriber) -> None:
        self._folder, self._journal, self._transcriber = folder, journal, transcriber

    def transcripts(self, key: str, clips: Sequence[Clip], language: str | None) -> list[Transcript]:
        """What is said in neighbouring clips of the recording cut under `key`."""
        questions = [f"{clip.name} {key} {self._transcriber.name} {language or 'auto'}" for clip in clips]
        records = [self._journal.find(_KIND, question) for question in questions]
        if None in records:
            said = self._transcriber.transcribe([self._samples(clip) for clip in clips], language)
            records = [
                self._journal.add(_KIND, question, **asdict(one))
                for question, one in zip(questions, said, strict=True)
            ]
        return [Transcript(**{name: record[name] for name in _FIELDS}) for record in records if record]

    def _samples(self, clip: Clip) -> NDArray[np.float32]:
        samples, rate = read(self._folder / clip.name)
        return resample(samples, rate, RATE)
