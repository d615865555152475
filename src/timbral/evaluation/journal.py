"""The files of an evaluation: what is evaluated, and a row a case as it is done.

In the folder are `run.json`, `speech/` (a FLAC a case), `cases.jsonl` (of two rows of a case the later counts), and
`parent/`, the same of the parent.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from timbral.errors import DataError, SettingError
from timbral.evaluation.metrics import Column
from timbral.evaluation.results import Evaluation, Figures, Row
from timbral.paths import atomic_write

RUN, CASES, SPEECH, PARENT = "run.json", "cases.jsonl", "speech", "parent"


@dataclass
class Journal:
    """The rows of an evaluation in its folder."""

    folder: Path
    rows: dict[str, Row]
    described: dict[str, Any]

    @staticmethod
    def open(folder: Path, run: dict[str, Any]) -> "Journal":
        """Begins or resumes. Raises SettingError: the folder has another evaluation."""
        described = _read_json(folder / RUN) if (folder / RUN).is_file() else {}
        if described and {key: described.get(key) for key in run} != run:
            raise SettingError(
                f"{folder} holds an evaluation of another model, suite or seed; choose another folder, or remove it"
            )
        if not described and (folder / CASES).exists():
            raise SettingError(f"{folder} has a {CASES} of something else; choose another folder")
        try:
            (folder / SPEECH).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(
                f"{folder}: cannot be made ({error.strerror}); choose another folder"
            ) from None
        journal = Journal(folder, dict(_rows(folder)), described)
        if not described:
            journal.describe(run)
        elif (folder / CASES).is_file():
            with (folder / CASES).open("a", encoding="utf-8") as file:
                file.write("\n")  # ends a line that a kill cut off
        return journal

    @staticmethod
    def adopt(source: Path, folder: Path) -> None:
        """Takes what another folder has of the same evaluation, unless there is one already."""
        if not (folder / RUN).is_file():
            shutil.copytree(source / SPEECH, folder / SPEECH, dirs_exist_ok=True)
            journal = Journal.open(folder, _read_json(source / RUN))
            for row in dict(_rows(source)).values():
                journal.add(row)

    def add(self, row: Row) -> None:
        self.rows[row.case] = row
        with (self.folder / CASES).open("a", encoding="utf-8") as file:
            file.write(row.model_dump_json() + "\n")

    def describe(self, described: dict[str, Any]) -> None:
        with atomic_write(self.folder / RUN) as part:
            part.write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        self.described = described


def _rows(folder: Path) -> Iterator[tuple[str, Row]]:
    """Rows by case, without one that a kill cut off, and without those whose speech is gone."""
    path = folder / CASES
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        if not line:
            continue
        try:
            row = Row.model_validate_json(line)
        except ValidationError:
            continue
        if row.failed or (folder / row.speech).is_file():
            yield row.case, row


def read_evaluation(folder: Path) -> Evaluation:
    """The finished evaluation that is in a folder. Raises DataError: there is none."""
    described = _read_json(folder / RUN)
    rows = dict(_rows(folder))
    try:
        return Evaluation(
            model=described["model"],
            digest=described["digest"],
            suite=described["suite"],
            suite_digest=described["suite_digest"],
            seed=described["seed"],
            rows=tuple(rows.values()),
            columns=tuple(Column(**column) for column in described["columns"]),
            figures=Figures(**described["figures"]),
            folder=folder,
            bundle=Path(described["bundle"]),
            parent=read_evaluation(folder / PARENT) if (folder / PARENT / RUN).is_file() else None,
            notes=tuple(described["notes"]),
        )
    except (KeyError, TypeError, ValidationError):
        raise DataError(f"{folder}: no finished evaluation; run it to its end") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise DataError(f"{path}: no evaluation can be read from it; remove its folder and evaluate again")
    return found
