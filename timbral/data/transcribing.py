"""The second half of preparing: clips to texts, none of them twice."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from timbral.audio.reading import read
from timbral.audio.resampling import resample
from timbral.data.clips import Clip, Report
from timbral.data.cutting import Cut
from timbral.data.journal import Journal
from timbral.data.language import is_sure, prevailing
from timbral.data.transcription import RATE, Transcriber, Transcript

_KIND = "transcript"
_FIELDS = tuple(field.name for field in fields(Transcript))


def transcribe_clips(
    cuts: Sequence[Cut],
    wanted: Sequence[Sequence[Clip]],
    folder: Path,
    journal: Journal,
    transcriber: Transcriber,
    language: str,
    report: Report,
) -> dict[str, Transcript]:
    """What is said in the clips, by name; what the journal knows is not asked again.

    wanted: of each of the recordings `cuts`, the clips to transcribe, in `folder`. language: `auto`, or that of all.
    In doubt, a clip is in the language of most of its recording.
    """
    clerk = _Clerk(folder, journal, transcriber)
    total, done = sum(map(len, wanted)), 0
    transcripts: dict[str, Transcript] = {}
    for cut, clips in zip(cuts, wanted, strict=True):
        heard: list[tuple[Clip, Transcript]] = []
        for clip in clips:
            report(f"transcribing {done + 1} of {total}", done / total)
            heard.append((clip, clerk.transcript(cut.key, clip, None if language == "auto" else language)))
            done += 1
        if language == "auto":
            heard = list(_agreed(heard, cut.key, clerk))
        transcripts |= {clip.name: transcript for clip, transcript in heard}
    return transcripts


def _agreed(
    heard: Sequence[tuple[Clip, Transcript]], key: str, clerk: "_Clerk"
) -> Iterator[tuple[Clip, Transcript]]:
    """The transcripts, doubtful ones made again in the language of most of the recording."""
    most = prevailing((said.language, said.probability, clip.sound.seconds) for clip, said in heard)
    for clip, said in heard:
        doubtful = most and said.language != most and not said.foreign and not is_sure(said.probability)
        yield clip, clerk.transcript(key, clip, most) if doubtful else said


class _Clerk:
    """Asks a recogniser once about each clip."""

    def __init__(self, folder: Path, journal: Journal, transcriber: Transcriber) -> None:
        self._folder, self._journal, self._transcriber = folder, journal, transcriber

    def transcript(self, key: str, clip: Clip, language: str | None) -> Transcript:
        question = f"{clip.name} {key} {self._transcriber.name} {language or 'auto'}"
        record = self._journal.find(_KIND, question)
        if record is None:
            samples, rate = read(self._folder / clip.name)
            said = self._transcriber.transcribe(resample(samples, rate, RATE), language)
            record = self._journal.add(_KIND, question, **asdict(said))
        return Transcript(**{name: record[name] for name in _FIELDS})
