"""Packed models from the web: https only, streamed to a file, bounded in size, and known by their SHA-256."""

import hashlib
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from timbral import __version__
from timbral.errors import HubError
from timbral.models.package import MOST_BYTES

_BLOCK = 1 << 18
_TIMEOUT = 30.0
"""Seconds without a byte."""


def is_url(source: str) -> bool:
    """Whether a source is an address and not a path."""
    return "://" in source


def download(url: str, target: Path, on_progress: Callable[[float], None] = lambda share: None) -> str:
    """Writes what is at `url` to the file `target`; its SHA-256.

    Raises HubError: an address that is not https, or leads to one; no connection; a file that is too large or cut
    off. What is left of `target` is then for the caller to remove.
    """
    _check_address(url)
    request = urllib.request.Request(url, headers={"User-Agent": f"timbral/{__version__}"})
    opener = urllib.request.build_opener(_OnlyHttps)
    try:
        with opener.open(request, timeout=_TIMEOUT) as response:
            return _receive(response, target, url, on_progress)
    except urllib.error.HTTPError as error:
        raise HubError(f"{url}: the server answers {error.code} {error.reason}; check the address") from None
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise HubError(f"{url}: cannot be reached ({reason}); check the address and the network") from None


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise HubError(f"{url}: models are downloaded over https only; give an https address or a file")


def _receive(response: Any, target: Path, url: str, on_progress: Callable[[float], None]) -> str:
    stated = response.headers.get("Content-Length", "")
    length = int(stated) if stated.isdecimal() else None
    room = min(MOST_BYTES, shutil.disk_usage(target.parent).free)
    digest, received = hashlib.sha256(), 0
    with target.open("wb") as file:
        while block := response.read(_BLOCK):
            received += len(block)
            if received > room or (length or 0) > room:
                raise HubError(
                    f"{url}: more than {room / 1e9:.1f} GB, which is no model or does not fit; make room"
                )
            file.write(block)
            digest.update(block)
            if length:
                on_progress(min(1.0, received / length))
    if length is not None and received < length:
        raise HubError(f"{url}: the connection was cut off; try again")
    return digest.hexdigest()
