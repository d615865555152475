"""Files of the server by key, in a folder or an object store; a file appears whole or not at all."""

from datetime import datetime
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from timbral.errors import SettingError
from timbral.serving.config import StorageConfig


class Objects:
    """Bytes by key, such as `voices/ab12.voice`. Keys come from the server, never from a client. May be shared by threads."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def open(cls, config: StorageConfig) -> "Objects":
        """Opens the store. Raises SettingError: an address or a folder that cannot be used."""
        try:
            if config.objects is None:
                folder = config.root / "files"
                folder.mkdir(parents=True, exist_ok=True)
                return cls(LocalStore(folder))
            if config.objects.startswith("file://"):
                folder = Path(config.objects.removeprefix("file://"))
                folder.mkdir(parents=True, exist_ok=True)
                return cls(LocalStore(folder))
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
