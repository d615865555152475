"""Reads files of one folder by paths that clients send, and nothing outside of it."""

import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

from timbral.errors import SettingError
from timbral.serving.errors import ApiError

_BY_DESCRIPTOR = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_LONGEST = 1000


class Folder:
    """A folder of the operator's. Links are not followed, wherever they lead."""

    def __init__(self, path: Path) -> None:
        """Raises SettingError: there is no such folder."""
        self._path = path.expanduser().resolve()
        if not self._path.is_dir():
            raise SettingError(f"setting official.folder: {path} is not a folder")

    def read(self, path: str, most_bytes: int) -> bytes | None:
        """Content of a file; None where the path leads out, through a link, or to nothing that can be read.

        Raises ApiError (413): it is too large.
        """
        names = self._inside(path)
        if names is None:
            return None
        try:
            descriptor = self._open(names)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise ApiError(413, f"a recording has at most {most_bytes >> 20} MB", code="file_too_large")
        return content

    def _inside(self, path: str) -> tuple[str, ...] | None:
        """The names below the folder that a path leads through, by its text alone."""
        if not path or len(path) > _LONGEST or not path.isprintable():
            return None
        if os.name == "posix" and (PureWindowsPath(path).drive or "\\" in path):
            return None
        pure = (PurePosixPath if os.name == "posix" else PureWindowsPath)(path)
        if pure.is_absolute():
            if not pure.is_relative_to(self._path):
                return None
            pure = pure.relative_to(self._path)
        if pure.anchor or not pure.parts or any(part == ".." or ":" in part for part in pure.parts):
            return None
        return pure.parts

    def _open(self, names: tuple[str, ...]) -> int:
        """Raises OSError."""
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        if not _BY_DESCRIPTOR:
            path = self._path.joinpath(*names)
            if path.resolve(strict=True) != path:
                raise OSError("a link")
            return os.open(path, flags)
        # Step by step from open folders: what is exchanged meanwhile leads nowhere else.
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC
        current = os.open(self._path, flags | os.O_DIRECTORY)
        for name in names[:-1]:
            try:
                following = os.open(name, flags | os.O_DIRECTORY, dir_fd=current)
            finally:
                os.close(current)
            current = following
        try:
            return os.open(names[-1], flags, dir_fd=current)
        finally:
            os.close(current)
