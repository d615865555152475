"""Copies of lists that a person has worked on, kept before they are changed; none ever takes the place of another."""

import shutil
from itertools import count
from pathlib import Path

from timbral.errors import DataError


def back_up(path: Path) -> None:
    """Copies a file to `NAME.bak`, or `NAME.bak2` and so on, unless such a copy holds the same. Raises DataError."""
    part = path.with_name(f".{path.name}.bak.part")
    try:
        content = path.read_bytes()
        for number in count(1):
            target = path.with_name(f"{path.name}.bak{number if number > 1 else ''}")
            if not target.exists():
                shutil.copyfile(path, part)
                part.replace(target)
                return
            if target.read_bytes() == content:
                return
    except OSError as error:
        raise DataError(f"{path.parent}: cannot be written ({error.strerror or error})") from None
    finally:
        part.unlink(missing_ok=True)
