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
    """Removes files that are older than `age` and that no record names; how many.

    Recordings of a job go as soon as it is over.
    """
    try:
        found = [one for folder in ("voices", "consents", "jobs") for one in objects.dated(folder)]
        before = datetime.now(timezone.utc) - age
        old = [key for key, moment in found if moment < before]
        named = _named(database)
        gone = [key for key in old if key not in named]
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
