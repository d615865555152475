"""What the commands have in common at the terminal: where lines go, how progress looks, what stays quiet."""

import contextlib
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from timbral.errors import TimbralWarning

_STDERR = 2
"""The file descriptor that C libraries print to."""
_LINE_SECONDS = 30.0
"""Between two lines of progress off a terminal."""


def prepare() -> None:
    """Makes the streams take any text, and shows warnings as one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    warnings.simplefilter("always", TimbralWarning)
    warnings.showwarning = _show_warning


def complain(problem: str) -> None:
    """One line on stderr that says what is wrong."""
    print(f"timbral: {_line(problem)}", file=sys.stderr)


def note(text: str) -> None:
    """One line on stderr that the user should know."""
    print(f"note: {_line(text)}", file=sys.stderr)


def print_json(values: dict[str, Any], *, stdout_taken: bool = False) -> None:
    """One line of JSON, on stdout unless sound goes there."""
    print(json.dumps(values), file=sys.stderr if stdout_taken else sys.stdout)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Rows in aligned columns, on stdout."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


@contextlib.contextmanager
def progress(what: str) -> Iterator["Bar"]:
    """A progress bar on stderr; off a terminal a line of text every `_LINE_SECONDS`."""
    if not Console(stderr=True).is_terminal:
        yield Bar(None, TaskID(0))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    # A way of its own to the terminal, so that the bar is seen while `quiet_libraries` keeps others from it.
    own = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding, errors="replace")
    with own, Progress(*columns, console=Console(file=own), transient=True) as shown:
        yield Bar(shown, shown.add_task(what, total=None))


class Bar:
    """Progress of a command, as a bar on a terminal and as lines off it."""

    def __init__(self, shown: Progress | None, task: TaskID) -> None:
        self._shown, self._task = shown, task
        self._what, self._share = "", 0.0
        self._printed = time.monotonic()

    def begin(self, what: str) -> None:
        """Begins a new step, with a bar of its own."""
        self._what, self._share = what, 0.0
        if self._shown:
            self._shown.reset(self._task, description=what, total=None)

    def show(self, share: float) -> None:
        """Share of the step that is done, 0 to 1."""
        if self._shown:
            if share < self._share:
                # A bar that has been full keeps its time until it is reset.
                self._shown.reset(self._task)
            self._shown.update(self._task, description=self._what, completed=share, total=1.0)
        elif time.monotonic() - self._printed > _LINE_SECONDS:
            self._printed = time.monotonic()
            print(f"{self._what}: {share:.0%}", file=sys.stderr, flush=True)
        self._share = share

    def on_progress(self, what: str, share: float) -> None:
        """Name of the current step, and the share of all steps that is done, 0 to 1."""
        self._what = what
        self.show(share)


class Narrator:
    """A progress callback that begins a new bar with every new name."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._what = bar, ""

    def __call__(self, what: str, share: float) -> None:
        if what != self._what:
            self._what = what
            self._bar.begin(what)
        self._bar.show(share)


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silences what C libraries print on stderr: the mp3 decoder talks to users about headers."""
    sys.stderr.flush()
    try:
        kept = os.dup(_STDERR)
    except OSError:
        yield
        return
    caught: list[warnings.WarningMessage] = []
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDERR)
        os.close(nowhere)
        with warnings.catch_warnings(record=True) as recorded:
            caught = recorded
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, _STDERR)
        os.close(kept)
        for warning in caught:
            _show_warning(warning.message, warning.category, warning.filename, warning.lineno)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if issubclass(category, TimbralWarning):
        note(str(message))


def _line(text: str) -> str:
    return " ".join(text.split())
