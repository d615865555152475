"""The journal of finished work, a line of JSON each, so that an interrupted run can resume.

Lines are only appended. A line that a kill cut off is ignored, and so is whatever an unknown version wrote.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from timbral.errors import DataError

NAME = "journal.jsonl"
_VERSION = 1

Record = dict[str, Any]


class Journal:
    """The journal of one folder: the latest record of each kind and key."""

    def __init__(self, folder: Path) -> None:
        """Reads what there is. Raises DataError."""
        self._path = folder / NAME
        self._records: dict[tuple[str, str], Record] = {}
        for record in self._read():
            self._records[record["kind"], record["key"]] = record

    def find(self, kind: str, key: str) -> Record | None:
        """The latest record of this kind and key."""
        return self._records.get((kind, key))

    def all(self, kind: str) -> list[Record]:
        """The latest records of a kind, by the order in which their keys came first."""
        return [record for (known, _), record in self._records.items() if known == kind]

    def add(self, kind: str, key: str, **values: Any) -> Record:
        """Appends a record; it is on the disk when this returns. Raises DataError."""
        record = {"version": _VERSION, "kind": kind, "key": key, **values}
        try:
            with self._path.open("a+b") as file:
                if file.tell() and not self._ends_whole(file):
                    file.write(b"\n")
                file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DataError(f"{self._path}: cannot be written ({error.strerror or error})") from None
        self._records[kind, key] = record
        return record

    @staticmethod
    def _ends_whole(file: Any) -> bool:
        file.seek(-1, os.SEEK_END)
        whole = bool(file.read(1) == b"\n")
        file.seek(0, os.SEEK_END)
        return whole

    def _read(self) -> Iterator[Record]:
        try:
            rows = self._path.read_bytes().splitlines() if self._path.exists() else []
        except OSError as error:
            raise DataError(f"{self._path}: cannot be read ({error.strerror or error})") from None
        for row in rows:
            try:
                record = json.loads(row)
            except ValueError:
                continue
            if (
                isinstance(record, dict)
                and record.get("version") == _VERSION
                and {"kind", "key"} <= record.keys()
            ):
                yield record
