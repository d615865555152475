"""A lock on a training set: two processes that change it would undo each other's work."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from timbral.errors import DataError, InstallationError


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Holds the lock of the training set in this folder. Raises DataError: held by others; InstallationError."""
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        raise InstallationError(
            "training sets need filelock; install it with: pip install 'timbral[data]'"
        ) from None
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(
            f"{folder}: another `timbral prepare` or `timbral proofread` is at work there; wait until it is done, "
            "or end it"
        ) from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from None
    try:
        yield
    finally:
        lock.release()
