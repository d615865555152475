"""From raw recordings to a training set, in one call that can be interrupted and repeated at any time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from timbral.data.clips import Clip
from timbral.data.config import PreparationConfig
from timbral.data.cutting import CutRecording, cut_recordings, remove_leftovers
from timbral.data.filtering import AssessedClip, assess, exclusion_reasons, readmit_blemished, write_lists
from timbral.data.journal import Journal
from timbral.data.listing import SUFFIX, Dropped, ListEntry
from timbral.data.lock import lock_folder
from timbral.data.progress import OnProgress, no_progress
from timbral.data.report import write_report
from timbral.data.sources import find_recordings
from timbral.data.transcribers import open_transcriber
from timbral.data.transcribing import transcribe_clips
from timbral.data.transcription import Transcriber
from timbral.errors import DataError

CLIPS, REPORT = "clips", "report.html"


@dataclass(frozen=True)
class Prepared:
    """A training set.

    path: of its list. lines: what the list holds. dropped: clips that were left out, with reasons. problems:
    recordings that could not be used, a line each; notes: what to know about others. seconds: of the clips in
    the list.
    """

    folder: Path
    path: Path
    lines: tuple[ListEntry, ...]
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
    settings: PreparationConfig | None = None,
    progress: OnProgress | None = None,
) -> Prepared:
    """Makes a training set of recordings: files, or folders with all that is in them.

    folder: gets `clips/`, `FOLDER.list` in the official format, the list of what was dropped, `report.html`
    and a journal, by which a second call does only what is missing or has changed. Corrections of the list
    stay. progress: is told what is being done, and which share of it is done.

    Raises DataError: no such path, nothing usable in it, `prepare` or `proofread` at work in the folder;
    SettingError; InstallationError: a package that is needed is missing; BundleError, HubError: no Whisper.
    """
    settings, folder, on_progress = settings or PreparationConfig(), Path(folder), progress or no_progress
    recordings = find_recordings(sources, folder)
    transcriber = open_transcriber(settings.transcriber)
    _make_folder(folder / CLIPS)
    with lock_folder(folder):
        remove_leftovers(folder)
        journal = Journal(folder)
        cuts = list(cut_recordings(recordings, folder, journal, settings, on_progress))
        assessed, blemished = _assess_all(cuts, folder, journal, transcriber, settings, on_progress)
        path = folder / f"{folder.resolve().name}{SUFFIX}"
        lines, dropped = write_lists(path, assessed, journal)
        problems = tuple(cut.problem for cut in cuts if cut.problem)
        notes = (*(note for cut in cuts for note in cut.notes), *blemished)
        on_progress("writing the report", 0.0)
        write_report(folder / REPORT, folder.resolve().name, assessed, problems, notes)
    if not lines:
        raise DataError(_nothing_usable(folder, dropped, problems))
    return Prepared(folder, path, lines, dropped, problems, notes, _seconds(lines, assessed))


def _assess_all(
    cuts: Sequence[CutRecording],
    folder: Path,
    journal: Journal,
    transcriber: Transcriber | None,
    settings: PreparationConfig,
    on_progress: OnProgress,
) -> tuple[list[AssessedClip], list[str]]:
    """The clips with what is said in them, and what the user should know about their choice."""
    speaker = settings.speaker or folder.resolve().name.replace("|", "_")
    allowed, clips = settings.thresholds, folder / CLIPS
    found = [cut.clips for cut in cuts]
    unused = exclusion_reasons(found, allowed, settings.at_most)
    blemished = readmit_blemished(found, unused, allowed, settings.at_least)
    transcripts = {}
    if transcriber is not None:
        wanted = [[clip for clip in cut.clips if clip.name not in unused] for cut in cuts]
        transcripts = transcribe_clips(
            cuts, wanted, clips, journal, transcriber, settings.language, on_progress
        )
    language = "" if settings.language == "auto" else settings.language

    def assessed(clip: Clip) -> AssessedClip:
        reason = unused.get(clip.name, "")
        return assess(clip, clips, reason, transcripts.get(clip.name), speaker, language, allowed)

    notes = (
        [f"good clips are few, so {blemished:.0f} s are used that are noisy or clipped"] if blemished else []
    )
    return [assessed(clip) for cut in cuts for clip in cut.clips], notes


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be made ({error.strerror or error}); choose another place"
        ) from None


def _seconds(lines: Sequence[ListEntry], assessed: Sequence[AssessedClip]) -> float:
    """Seconds of the lines, as far as they were prepared here; of others the file tells."""
    import soundfile

    known = {one.line.audio.name: one.sound.seconds for one in assessed}
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
