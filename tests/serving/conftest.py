"""The servers that several tests talk to: one that is open to this machine, and one with keys."""

from collections.abc import Iterator

import pytest

pytest.importorskip("sqlalchemy", reason="the server is not installed: pip install 'timbral[serve]'")

from tests.helpers.serving import RunningServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server without keys, on this machine alone; it also speaks to Home Assistant."""
    limits = {"recording_mb": 1, "body_mb": 3, "body_timeout_s": 2, "header_timeout_s": 2}
    flags = ("--wyoming-uri", "tcp://127.0.0.1:0")
    home = tmp_path_factory.mktemp("server") / "home"
    with RunningServer(home, {"limits": limits}, flags) as running:
        yield running


@pytest.fixture(scope="session")
def closed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with keys; the client has one with the scope admin."""
    made = RunningServer(tmp_path_factory.mktemp("closed") / "home")
    made.write_settings()
    made.key = made.run("keys", "add", "operator", "--scope", "admin")
    with made as running:
        yield running
