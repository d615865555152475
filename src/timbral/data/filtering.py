"""Filtering: which clips a training set consists of, and its lists."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from timbral.data.backup import back_up
from timbral.data.cleaning import Cleaned, clean_transcript
from timbral.data.clips import Clip
from timbral.data.corrections import WrittenRows, keep_corrections
from timbral.data.journal import Journal
from timbral.data.listing import Dropped, ListEntry, format_line, write_dropped, write_list
from timbral.data.quality import SoundMeasures, Thresholds, blemishes, count_phones, sound_faults, text_faults
from timbral.data.transcription import Transcript

_KIND, _KEY = "written", "list"


@dataclass(frozen=True)
class AssessedClip:
    """A clip with its line, the measures that the report shows, and why it is dropped: empty for a good one.

    denoised: whether noise was taken out of it.
    """

    line: ListEntry
    sound: SoundMeasures
    denoised: bool
    transcript: Transcript | None
    phones: int | None
    reason: str


def exclusion_reasons(
    recordings: Sequence[Sequence[Clip]], allowed: Thresholds, at_most: float
) -> dict[str, str]:
    """Why clips of these recordings are not used whatever is said in them, by name.

    at_most: about how many seconds are wanted, of the cleanest clips of every recording; 0 for all.
    """
    reasons: dict[str, str] = {}
    ranked: list[tuple[int, Clip]] = []
    for clips in recordings:
        faults = {clip.name: sound_faults(clip.sound, allowed) for clip in clips}
        reasons |= {name: "; ".join(found) for name, found in faults.items() if found}
        ranked += enumerate(sorted((clip for clip in clips if not faults[clip.name]), key=_cleanness))
    seconds = 0.0
    # All recordings take turns, so that one long recording does not speak for all.
    for _, clip in sorted(ranked, key=lambda one: one[0]) if at_most else ():
        if seconds >= at_most:
            reasons[clip.name] = "not needed, there is enough that is cleaner"
        seconds += clip.sound.seconds
    return reasons


def readmit_blemished(
    recordings: Sequence[Sequence[Clip]], reasons: dict[str, str], allowed: Thresholds, at_least: float
) -> float:
    """Readmits noisy and clipped clips, the cleanest first, until there are `at_least` seconds.

    Returns the seconds that were taken back.
    """
    clips = [clip for recording in recordings for clip in recording]
    seconds = sum(clip.sound.seconds for clip in clips if clip.name not in reasons)
    usable = [clip for clip in clips if clip.name in reasons and _only_blemished(clip.sound, allowed)]
    taken = 0.0
    for clip in sorted(usable, key=_cleanness):
        if seconds + taken >= at_least:
            break
        del reasons[clip.name]
        taken += clip.sound.seconds
    return taken


def _only_blemished(sound: SoundMeasures, allowed: Thresholds) -> bool:
    found = blemishes(sound, allowed)
    return bool(found) and found == sound_faults(sound, allowed)


def _cleanness(clip: Clip) -> tuple[bool, float]:
    """What clips are ordered by, the cleanest first; noise that was taken out leaves traces."""
    return clip.denoised, -clip.sound.noise


def assess(
    clip: Clip,
    folder: Path,
    reason: str,
    transcript: Transcript | None,
    speaker: str,
    language: str,
    allowed: Thresholds,
) -> AssessedClip:
    """Assesses whether a clip is worth training on.

    reason: why it is not used whatever is said in it, mostly empty. transcript: None where nobody was asked.
    language: of clips without a transcript, empty if unknown.
    """
    faults = [reason] if reason else []
    cleaned, phones = Cleaned(""), None
    if transcript is not None:
        language = transcript.language
        cleaned = clean_transcript(transcript.text, language)
        phones = count_phones(cleaned.text, language)
        faults += text_faults(transcript, cleaned, phones, clip.sound, allowed)
    line = ListEntry(folder / clip.name, speaker, language, cleaned.text)
    return AssessedClip(line, clip.sound, clip.denoised, transcript, phones, "; ".join(faults))


def write_lists(
    path: Path, assessed: Sequence[AssessedClip], journal: Journal
) -> tuple[tuple[ListEntry, ...], tuple[Dropped, ...]]:
    """Writes the list at `path` and the one of dropped lines, and returns what they hold; corrections stay.

    Raises DataError.
    """
    lines = [one.line for one in assessed if not one.reason]
    dropped = [Dropped(one.line, one.reason) for one in assessed if one.reason]
    now = WrittenRows.of(lines, dropped, path.parent)
    noted = journal.find(_KIND, _KEY)
    before = WrittenRows(noted["lines"], noted["dropped"]) if noted else WrittenRows({}, {})
    if path.exists():
        lines, dropped = keep_corrections(path, lines, dropped, before)
        _keep_what_goes(path, lines, (before, now))
    # Dropped ones first: a kill in between leaves a line in both lists, but never in none.
    write_dropped(path, dropped)
    write_list(path, lines)
    # What was prepared is noted, not what a person made of it, so that corrections stay recognised.
    if not noted or before != now:
        journal.add(_KIND, _KEY, **asdict(now))
    return tuple(lines), tuple(dropped)


def _keep_what_goes(path: Path, lines: Sequence[ListEntry], prepared: Sequence[WrittenRows]) -> None:
    """Backs the list up if it holds rows that were not prepared and will not be in it any more."""
    stay = {row for one in prepared for row in one.lines.values()}
    stay |= {format_line(line, path.parent) for line in lines}
    rows = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    if any(row.strip() and row.strip() not in stay for row in rows):
        back_up(path)
