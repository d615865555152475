"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, reached by a socket alone."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ADVICE = "PostgreSQL is not installed: apt-get install postgresql"


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl; None where there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb")
    folders = [*reversed(debian), *([Path(found).parent] if found else [])]
    return next((one for one in folders if (one / "initdb").exists() and (one / "pg_ctl").exists()), None)


def missing() -> str | None:
    """Why there can be no PostgreSQL here; None where it can."""
    if binaries() is None:
        return _ADVICE
    if os.name != "posix":
        return "this helper starts PostgreSQL on POSIX systems only"
    if os.geteuid() == 0 and not _has_user("postgres"):
        return "PostgreSQL does not run as root, and there is no user postgres"
    return None


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of an empty database, while the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="timbral-pg-", dir="/tmp"))  # a socket's path must be short
    bin_ = binaries()
    assert bin_ is not None
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")

    def run(*words: str) -> None:
        as_other = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run([*as_other, *words], check=True, capture_output=True, cwd=folder, timeout=300)

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
