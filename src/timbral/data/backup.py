"""Backup copies of lists that a person has edited; none replaces another."""

from itertools import count
from pathlib import Path

from timbral.errors import DataError
from timbral.paths import atomic_write


def back_up(path: Path) -> None:
    """Copies a file to `NAME.bak`, `NAME.bak2` ..., unless one of these equals it. Raises DataError."""
    try:
        content = path.read_bytes()
        for number in count(1):
            target = path.with_name(f"{path.name}.bak{number if number > 1 else ''}")
            if not target.exists():
                with atomic_write(target) as part:
                    part.write_bytes(content)
                return
            if target.read_bytes() == content:
                return
    except OSError as error:
        raise DataError(f"{path.parent}: cannot be written ({error.strerror or error})") from None
