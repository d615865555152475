"""Serves the page on this machine only, until it is interrupted."""

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from timbral.data.listing import find_list
from timbral.data.lock import lock_folder
from timbral.data.proofreading.session import EditingSession
from timbral.errors import InstallationError, SettingError

HOST = "127.0.0.1"


def serve(source: Path, port: int = 0, opened: Callable[[str], None] = print) -> None:
    """Serves the page for a list, or for the folder of one, until it is interrupted.

    port: 0 for any that is free. opened: is given the address, with its token, when requests are taken.
    Raises DataError: no such list, or `prepare` is at work on it; SettingError: the port is taken;
    InstallationError.
    """
    try:
        import uvicorn

        from timbral.data.proofreading.app import make_app
    except ImportError:
        raise InstallationError(
            "proofreading needs fastapi and uvicorn; install them with: pip install 'timbral[data]'"
        ) from None
    token = secrets.token_urlsafe(24)
    path = source if source.is_file() else find_list(source)
    with lock_folder(path.absolute().parent), _bound(port) as bound:
        app = make_app(EditingSession(path), token)
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        opened(f"http://{HOST}:{bound.getsockname()[1]}/?token={token}")
        uvicorn.Server(config).run(sockets=[bound])


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.bind((HOST, port))
        # Before the address is shown, so that a request that comes at once waits in line.
        bound.listen(64)
    except (OSError, OverflowError) as error:
        bound.close()
        raise SettingError(f"port {port} cannot be used ({error}); choose another, or none") from None
    return bound
