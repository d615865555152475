"""Downloads a published file with resuming, or takes it from the hub's cache, which stays as it is.

Addresses, proxies, tokens, offline mode and errors are those of `huggingface_hub`;
`docs/adr/011-downloads.md` says why the transfer is not.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import constants, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers, cached_assets_path, get_session, hf_raise_for_status

from timbral import __version__
from timbral.errors import HubError
from timbral.hub.catalog import HubFile
from timbral.paths import sha256

OnProgress = Callable[[float], None]
"""Called with the share of a file that is there, 0 to 1."""

_HTTP_ERROR: type[Exception] = HfHubHTTPError.__bases__[0]
"""Base of all errors of the HTTP library, which depends on the hub's version."""
_BLOCK = 1 << 16
_MAX_FAILURES = 3
"""Attempts in a row without a new byte."""
_RETRY_DELAY = 1.0
"""Seconds between attempts."""
_RETRYABLE = (408, 416, 429, 500, 502, 503, 504)
"""HTTP statuses that are tried again; 416: the file has become shorter than what is here."""


def downloads_folder() -> Path:
    """Where downloads lie until they are imported: among the assets of the hub's home, which HF_HOME moves."""
    return Path(cached_assets_path("timbral", "downloads", "models"))


def local_path(file: HubFile, folder: Path) -> Path:
    """Where a file is downloaded to: as in its repository."""
    return folder.joinpath(file.repository.replace("/", "--"), file.revision, *file.path.split("/"))


def missing_bytes(files: Sequence[HubFile], folder: Path) -> int:
    """Bytes that are left to download of files that belong into one folder."""
    if all(_in_cache(file) for file in files):
        return 0
    return sum(file.bytes - _downloaded(local_path(file, folder)) for file in files)


def fetch(
    files: Sequence[HubFile], folder: Path, on_progress: Callable[[HubFile, float], None]
) -> list[Path]:
    """Paths of files that belong into one folder, with the SHA-256 of the catalog.

    Taken from the hub's cache if all of them are there, otherwise from `folder`, into which missing ones are
    downloaded. Raises HubError: no network or offline, no such file, or another one than in the catalog.
    """
    cached = [_in_cache(file) for file in files]
    for file, path in zip(files, cached, strict=True):
        if path is None or not _is_genuine(path, file):
            break
        on_progress(file, 1.0)
    else:
        return [path for path in cached if path]
    return [_fetch(file, folder, partial(on_progress, file)) for file in files]


def remove(file: HubFile, folder: Path) -> None:
    """Removes a download, whole or in part, and the folders that it leaves empty."""
    path = local_path(file, folder)
    path.unlink(missing_ok=True)
    _part(path).unlink(missing_ok=True)
    for parent in path.parents:
        if parent == folder or not parent.is_dir() or any(parent.iterdir()):
            break
        parent.rmdir()


def _fetch(file: HubFile, folder: Path, on_progress: OnProgress) -> Path:
    path = local_path(file, folder)
    if path.is_file():
        if _is_genuine(path, file):
            on_progress(1.0)
            return path
        path.unlink()
    part = _part(path)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        _receive_all(file, part, on_progress)
        if not _is_genuine(part, file):
            part.unlink()
            raise HubError(
                f"{file.path}: what came from {constants.ENDPOINT} is not the published file (its SHA-256 differs) and "
                "was removed; pull again, and if that does not help, from another HF_ENDPOINT"
            )
        part.replace(path)
    except OfflineModeIsEnabled:
        raise HubError(
            f"{file.path} is not in the hub's cache, and HF_HUB_OFFLINE is set; pull once with a network, or unset it"
        ) from None
    except HfHubHTTPError as error:
        raise HubError(_refusal(file, error)) from error
    except _HTTP_ERROR as error:
        raise HubError(
            f"no connection to {constants.ENDPOINT} for {file.path} ({_reason(error)}); check the network, HTTPS_PROXY and "
            "HF_ENDPOINT, and pull again: it goes on from where it stopped"
        ) from error
    except OSError as error:
        raise HubError(
            f"{part}: cannot be written ({error.strerror or error}); make room, or move HF_HOME"
        ) from error
    return path


def _receive_all(file: HubFile, part: Path, on_progress: OnProgress) -> None:
    """Receives what is missing, with retries as long as they bring new bytes."""
    failures = 0
    while (before := _size(part)) < file.bytes:
        try:
            _receive(file, part, on_progress)
        except _HTTP_ERROR as error:
            code = _status(error)
            if code is not None and code not in _RETRYABLE:
                raise
            if code == 416:
                part.unlink(missing_ok=True)
            failures = failures + 1 if _size(part) <= before else 0
            if failures >= _MAX_FAILURES:
                raise
            time.sleep(_RETRY_DELAY)


def _receive(file: HubFile, part: Path, on_progress: OnProgress) -> None:
    """One request for what is missing. Raises HubError if the hub's file has another size."""
    have = _size(part)
    headers: dict[str, Any] = {
        **build_hf_headers(library_name="timbral", library_version=__version__),
        "Accept-Encoding": "identity",
    }
    if have:
        headers["Range"] = f"bytes={have}-"
    url = hf_hub_url(file.repository, file.path, revision=file.revision)
    with get_session().stream(
        "GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
    ) as response:
        hf_raise_for_status(response)
        if response.status_code != 206:
            have = 0
        length = int(response.headers.get("Content-Length", file.bytes - have))
        if have + length != file.bytes:
            raise HubError(
                f"{file.path}: {constants.ENDPOINT} has a file of {have + length} bytes instead of {file.bytes}; "
                "it is not the published one: check HF_ENDPOINT and proxies"
            )
        with part.open("ab" if have else "wb") as out:
            for block in response.iter_bytes(_BLOCK):
                out.write(block[: file.bytes - have])
                have = min(have + len(block), file.bytes)
                on_progress(have / file.bytes)
                if have == file.bytes:
                    break


def _in_cache(file: HubFile) -> Path | None:
    """The file in the hub's cache, if it has the right size."""
    found = try_to_load_from_cache(file.repository, file.path, revision=file.revision)
    path = Path(found) if isinstance(found, str) else None
    return path if path and _size(path) == file.bytes else None


def _part(path: Path) -> Path:
    """Where a download is until it is complete."""
    return path.with_name(path.name + ".part")


def _downloaded(path: Path) -> int:
    return _size(path) or _size(_part(path))


def _is_genuine(path: Path, file: HubFile) -> bool:
    return _size(path) == file.bytes and sha256(path) == file.sha256


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _status(error: Exception) -> int | None:
    """HTTP status of an answer that is an error, None where there was no answer."""
    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def _refusal(file: HubFile, error: HfHubHTTPError) -> str:
    code = error.response.status_code
    where = f"{file.path} of {file.repository}, revision {file.revision[:8]}"
    if code in (401, 403, 404):
        return f"{constants.ENDPOINT} does not have {where} ({code}); try another HF_ENDPOINT, or a newer timbral"
    return f"{constants.ENDPOINT} does not give {where} ({code}); pull again later: it goes on from where it stopped"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
