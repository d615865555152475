"""Files of the server by key, in a folder or an object store; a file appears whole or not at all."""

import re
from datetime import datetime, timezone
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from timbral.errors import SettingError
from timbral.serving.config import StorageConfig

_PARTIAL = re.compile(r".+#\d+")
"""How obstore calls a file that it is writing."""


class Objects:
    """Bytes by key, such as `voices/ab12.voice`. Keys come from the server, never from a client. May be shared by threads."""

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        """folder: of a store that is one."""
        self._store, self._folder = store, folder

    @classmethod
    def open(cls, config: StorageConfig) -> "Objects":
        """Opens the store. Raises SettingError: an address or a folder that cannot be used."""
        try:
            if config.objects is None:
                folder = config.root / "files"
                folder.mkdir(parents=True, exist_ok=True)
                return cls(LocalStore(folder), folder)
            if config.objects.startswith("file://"):
                folder = Path(config.objects.removeprefix("file://"))
                folder.mkdir(parents=True, exist_ok=True)
                return cls(LocalStore(folder), folder)
            return cls(from_url(config.objects))
        except (BaseError, OSError, ValueError) as error:
            raise SettingError(f"storage.objects cannot be used: {str(error).splitlines()[0]}") from None

    def put(self, key: str, content: bytes) -> None:
        """Stores a file; one of this key is replaced at once."""
        obstore.put(self._store, key, content)

    def get(self, key: str) -> bytes:
        """Content of a file. Raises FileNotFoundError."""
        return bytes(obstore.get(self._store, key).bytes())

    def delete(self, key: str) -> None:
        """Removes a file; one that is not there is no error."""
        try:
            obstore.delete(self._store, key)
        except FileNotFoundError:
            return

    def keys(self, prefix: str) -> list[str]:
        """Keys of all files below a prefix, which ends where a folder ends."""
        return [key for key, _ in self.dated(prefix)]

    def dated(self, prefix: str) -> list[tuple[str, datetime]]:
        """Keys of all files below a prefix, and when they were stored."""
        found = obstore.list(self._store, prefix)
        return [(str(entry["path"]), entry["last_modified"]) for batch in found for entry in batch]

    def remove_partial(self, before: datetime) -> int:
        """Removes what a killed process has half written in a folder, under a name that no key has; how many files."""
        if self._folder is None:
            return 0  # a store of its own shows nothing before it is whole
        left = [
            path
            for path in self._folder.rglob("*#*")
            if _PARTIAL.fullmatch(path.name)
            and datetime.fromtimestamp(path.stat().st_mtime, timezone.utc) < before
        ]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)
