"""Files that no record names: a process was killed between a file and its record, or between a record and its file."""

import logging
from datetime import datetime, timedelta, timezone

from obstore.exceptions import BaseError
from sqlalchemy import select

from timbral.serving.storage.database import Database
from timbral.serving.storage.objects import Objects
from timbral.serving.storage.tables import ConsentRow, JobRow, VoiceRow

_log = logging.getLogger("timbral.serving")

_AGE = timedelta(hours=1)
"""Younger files may be about to get their record."""


def remove_leftovers(database: Database, objects: Objects, age: timedelta = _AGE) -> int:
    """Removes recordings of jobs that are over, and files older than `age` that no record names; how many."""
    try:
        found = [one for folder in ("voices", "consents", "jobs") for one in objects.dated(folder)]
        before = datetime.now(timezone.utc) - age
        named, over = _named(database), _over(database, {_job_of(key) for key, _ in found})
        gone = [
            key for key, moment in found if key not in named and (moment < before or _job_of(key) in over)
        ]
        for key in gone:
            objects.delete(key)
        count = len(gone) + objects.remove_partial(before)
    except (BaseError, OSError) as error:
        _log.warning("leftover files could not be removed: %s", error)
        return 0
    if count:
        _log.info("%s leftover files removed", count)
    return count


def _named(database: Database) -> set[str]:
    """Objects that records name. Read after the files: a record that is gone by then named none of them."""
    with database.reading() as session:
        named = set(session.scalars(select(VoiceRow.object)))
        named |= {one for one in session.scalars(select(ConsentRow.recording)) if one}
        for recordings in session.scalars(select(JobRow.recordings).where(JobRow.finished.is_(None))):
            named |= {one["object"] for one in recordings}
    return named


def _job_of(key: str) -> str:
    """The id of the job whose recording a file is; empty for other files."""
    folder, _, rest = key.partition("/")
    return rest.partition("/")[0] if folder == "jobs" else ""


def _over(database: Database, jobs: set[str]) -> set[str]:
    """Those of these jobs that are over."""
    with database.reading() as session:
        return set(
            session.scalars(select(JobRow.id).where(JobRow.id.in_(jobs), JobRow.finished.is_not(None)))
        )
