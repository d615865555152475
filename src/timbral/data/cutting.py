"""First half of preparing: recordings to clips, cached in the journal."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from timbral.audio.decoding import DecodingStats
from timbral.data.clips import Clip, is_noisy, make_clips
from timbral.data.config import PreparationConfig
from timbral.data.journal import Journal, Record
from timbral.data.progress import OnProgress
from timbral.data.quality import from_record, to_record
from timbral.data.separation import Separator, UvrSeparator
from timbral.data.sources import Recording
from timbral.errors import AudioError, DataError

_KIND, _LYING = "recording", "cutting"
_WORK = ".work-"


@dataclass(frozen=True)
class CutRecording:
    """The clips of a recording.

    key: digest of its content and of the settings that its clips depend on. problem: why it gave none; else
    empty. notes: what the user should know although it was used.
    """

    recording: Recording
    key: str
    clips: tuple[Clip, ...]
    problem: str = ""
    notes: tuple[str, ...] = ()


def cut_recordings(
    recordings: Sequence[Recording],
    folder: Path,
    journal: Journal,
    settings: PreparationConfig,
    on_progress: OnProgress,
) -> Iterator[CutRecording]:
    """Clips of each recording, in `folder`/clips; what the journal knows is not made again.

    Raises InstallationError and DataError for what concerns all recordings; a bad recording has a problem.
    """
    cutter = _Cutter(folder, journal, settings)
    first: dict[str, str] = {}
    for number, recording in enumerate(recordings, 1):

        def on_recording(
            what: str, share: float, name: str = f"{number}/{len(recordings)} {recording.shown}"
        ) -> None:
            on_progress(f"{name}: {what}", share)

        try:
            digest = recording.digest()
        except DataError as error:
            yield CutRecording(recording, "", (), str(error))
            continue
        if digest in first:
            yield CutRecording(
                recording, "", (), f"{recording.shown}: the same as {first[digest]}, so it is used once"
            )
            continue
        first[digest] = recording.shown
        yield cutter.cut(recording, digest, on_recording)


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed run was working on; for hours of sound these are gigabytes."""
    for left in folder.glob(f"{_WORK}*"):
        shutil.rmtree(left, ignore_errors=True)
    for part in (folder / "clips").glob(".*.part"):
        part.unlink(missing_ok=True)


class _Cutter:
    def __init__(self, folder: Path, journal: Journal, settings: PreparationConfig) -> None:
        self._clips, self._folder = folder / "clips", folder
        self._journal, self._settings = journal, settings
        self._separators: list[Separator] | None = None

    def cut(self, recording: Recording, digest: str, on_progress: OnProgress) -> CutRecording:
        key = self._settings.cutting_key(digest)
        record = self._journal.find(_KIND, key)
        if record is None or not self._whole(record):
            # Other settings give clips of the same names: from here on those that lie there are no one's.
            self._journal.add(_LYING, digest, cut=key)
            record = self._make(recording, digest, key, on_progress)
            self._remove_stale(record, recording.clip_stem(digest))
        clips = tuple(_clip(values) for values in record["clips"])
        problem = f"{recording.shown}: {record['problem']}" if record["problem"] else ""
        notes = tuple(f"{recording.shown}: {note}" for note in record["notes"])
        return CutRecording(recording, key, clips, problem, notes)

    def _whole(self, record: Record) -> bool:
        """Whether the clips that lie there are those of this record, and all of them."""
        lying = self._journal.find(_LYING, record["digest"])
        if lying is None or lying["cut"] != record["key"]:
            return False
        return all((self._clips / clip["name"]).is_file() for clip in record["clips"])

    def _make(self, recording: Recording, digest: str, key: str, on_progress: OnProgress) -> Record:
        stem, settings = recording.clip_stem(digest), self._settings
        clips: list[Clip] = []
        problem, notes = "", []
        try:
            # Beside the clips, since working files are large and the system's folder for such files may be memory.
            with TemporaryDirectory(dir=self._folder, prefix=_WORK) as work:
                clips, stats = make_clips(
                    recording.path, stem, self._clips, Path(work), settings, self._models(), on_progress
                )
            notes = _notes(stats, clips, settings)
        except AudioError as error:
            problem = str(error).removeprefix(f"{recording.path.name}: ")
        return self._journal.add(
            _KIND,
            key,
            digest=digest,
            recording=recording.shown,
            problem=problem,
            notes=notes,
            clips=[_record(clip) for clip in clips],
        )

    def _models(self) -> list[Separator]:
        """The separators, opened when the first recording needs them."""
        if self._separators is None:
            self._separators = [UvrSeparator(model) for model in self._settings.separators]
        return self._separators

    def _remove_stale(self, new: Record, stem: str) -> None:
        """Removes the clips into which this recording was cut under other settings, noted or not yet."""
        names = {clip["name"] for clip in new["clips"]}
        older = [old for old in self._journal.all(_KIND) if old["digest"] == new["digest"]]
        stale = {clip["name"] for old in older for clip in old["clips"]}
        # A kill leaves clips that no record names.
        cut_here = re.compile(rf"{re.escape(stem)}_\d{{8,}}_\d{{8,}}\.wav")
        stale |= {path.name for path in self._clips.iterdir() if cut_here.fullmatch(path.name)}
        for name in stale - names:
            (self._clips / name).unlink(missing_ok=True)


def _notes(stats: DecodingStats, clips: Sequence[Clip], settings: PreparationConfig) -> list[str]:
    notes = []
    if stats.damaged:
        places = "one place" if stats.damaged == 1 else f"{stats.damaged} places"
        notes.append(f"damaged; {places} had to be left out, and {stats.seconds:.1f} s are used")
    noisy = [clip for clip in clips if clip.denoised or is_noisy(clip.sound, settings)]
    if noisy:
        what = "was taken out of" if settings.denoise else "is heard in"
        advice = "" if settings.denoise else "; --denoise takes it out (pip install 'timbral[denoise]')"
        notes.append(f"noise {what} {sum(clip.sound.seconds for clip in noisy):.0f} s of it{advice}")
    return notes


def _record(clip: Clip) -> Record:
    noted = {"name": clip.name, "start": clip.start, "end": clip.end, "denoised": clip.denoised}
    return noted | {"sound": to_record(clip.sound)}


def _clip(record: Record) -> Clip:
    sound = from_record(record["sound"])
    return Clip(record["name"], record["start"], record["end"], sound, record["denoised"])
