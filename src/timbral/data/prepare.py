"""From raw recordings to a training set, in one call that can be interrupted and repeated at any time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from timbral.data.alone import alone
from timbral.data.choosing import Judged, judge, sort_out, use_blemished, write_lists
from timbral.data.clips import Clip, Report
from timbral.data.cutting import Cut, cut_recordings, remove_leftovers
from timbral.data.journal import Journal
from timbral.data.listing import SUFFIX, Dropped, Line
from timbral.data.report import write_report
from timbral.data.settings import Settings
from timbral.data.sources import find_recordings
from timbral.data.transcribing import transcribe_clips
from timbral.data.transcription import Transcriber, open_transcriber
from timbral.errors import DataError

CLIPS, REPORT = "clips", "report.html"


@dataclass(frozen=True)
class Prepared:
    """A training set.

    path: of its list. lines: what the list holds. dropped: clips that were left out, with reasons. problems: recordings
    that could not be used, a line each; notes: what to know about others. seconds: of the clips in the list.
    """

    folder: Path
    path: Path
    lines: tuple[Line, ...]
    dropped: tuple[Dropped, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def report(self) -> Path:
        """The page that shows what was measured."""
        return self.folder / REPORT


def prepare(
    sources: Sequence[str | Path],
    folder: str | Path,
    settings: Settings | None = None,
    progress: Report | None = None,
) -> Prepared:
    """Makes a training set of recordings: files, or folders with all that is in them.

    folder: gets `clips/`, `FOLDER.list` in the official format, the list of what was dropped, `report.html` and a
    journal, by which a second call does only what is missing or has changed. Corrections of the list stay.
    progress: is told what is being done, and which share of it is done.

    Raises DataError: no such path, nothing usable in it, `prepare` or `proofread` at work in the folder; SettingError;
    InstallationError: a package that is needed is missing; BundleError, HubError: no Whisper.
    """
    settings, folder, on_progress = settings or Settings(), Path(folder), progress or _tell_nobody
    recordings = find_recordings(sources, folder)
    transcriber = open_transcriber(settings.transcriber)
    _make_folder(folder / CLIPS)
    with alone(folder):
        remove_leftovers(folder)
        journal = Journal(folder)
        cuts = list(cut_recordings(recordings, folder, journal, settings, on_progress))
        judged, blemished = _judge_all(cuts, folder, journal, transcriber, settings, on_progress)
        path = folder / f"{folder.resolve().name}{SUFFIX}"
        lines, dropped = write_lists(path, judged, journal)
        problems = tuple(cut.problem for cut in cuts if cut.problem)
        notes = (*(note for cut in cuts for note in cut.notes), *blemished)
        on_progress("writing the report", 0.0)
        write_report(folder / REPORT, folder.resolve().name, judged, problems, notes)
    if not lines:
        raise DataError(_nothing_usable(folder, dropped, problems))
    return Prepared(folder, path, lines, dropped, problems, notes, _seconds(lines, judged))


def _tell_nobody(what: str, share: float) -> None:
    """For callers who do not want to know."""


def _judge_all(
    cuts: Sequence[Cut],
    folder: Path,
    journal: Journal,
    transcriber: Transcriber | None,
    settings: Settings,
    report: Report,
) -> tuple[list[Judged], list[str]]:
    """The clips with what is said in them, and what the user should know about their choice."""
    speaker = settings.speaker or folder.resolve().name.replace("|", "_")
    allowed, clips = settings.thresholds, folder / CLIPS
    found = [cut.clips for cut in cuts]
    unused = sort_out(found, allowed, settings.at_most)
    blemished = use_blemished(found, unused, allowed, settings.at_least)
    transcripts = {}
    if transcriber is not None:
        wanted = [[clip for clip in cut.clips if clip.name not in unused] for cut in cuts]
        transcripts = transcribe_clips(cuts, wanted, clips, journal, transcriber, settings.language, report)
    language = "" if settings.language == "auto" else settings.language

    def judged(clip: Clip) -> Judged:
        reason = unused.get(clip.name, "")
        return judge(clip, clips, reason, transcripts.get(clip.name), speaker, language, allowed)

    notes = (
        [f"good clips are few, so {blemished:.0f} s are used that are noisy or clipped"] if blemished else []
    )
    return [judged(clip) for cut in cuts for clip in cut.clips], notes


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be made ({error.strerror or error}); choose another place"
        ) from None


def _seconds(lines: Sequence[Line], judged: Sequence[Judged]) -> float:
    """Seconds of the lines, as far as they were prepared here; of others the file tells."""
    import soundfile

    known = {one.line.audio.name: one.sound.seconds for one in judged}
    return round(
        sum(known.get(line.audio.name) or soundfile.info(str(line.audio)).duration for line in lines), 1
    )


def _nothing_usable(folder: Path, dropped: Sequence[Dropped], problems: Sequence[str]) -> str:
    if dropped:
        reason, count = Counter(one.reason for one in dropped).most_common(1)[0]
        return (
            f"no usable speech: all {len(dropped)} clips were dropped, {count} of them since: {reason}; "
            f"see {folder / REPORT}"
        )
    return f"no usable recording: {'; '.join(problems[:3]) or 'nothing but silence'}"
