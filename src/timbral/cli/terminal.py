"""What the commands have in common at the terminal: where lines go, how progress looks, what stays quiet."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from timbral.errors import TimbralWarning

_STDERR = 2
"""The file descriptor that C libraries print to."""
_EVERY = 30.0
"""Seconds between two lines of progress where no terminal shows a bar."""

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that command a terminal, or change the order in which it shows others."""

_notes: list[str] = []


@contextlib.contextmanager
def prepared() -> Iterator[None]:
    """Makes the streams take any text and no control characters, and shows warnings as one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    _notes.clear()
    with (
        contextlib.redirect_stdout(_Printable(sys.stdout)),
        contextlib.redirect_stderr(_Printable(sys.stderr)),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("always", TimbralWarning)
        warnings.showwarning = _show_warning
        yield


class _Printable:
    """A text stream that replaces control characters, which foreign files may carry."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def complain(problem: str) -> None:
    """One line on stderr that says what is wrong."""
    print(f"timbral: {_line(problem)}", file=sys.stderr)


def note(text: str) -> None:
    """One line on stderr that the user should know; the same one only once."""
    if (line := _line(text)) not in _notes:
        _notes.append(line)
        print(f"note: {line}", file=sys.stderr)


def notes() -> list[str]:
    """What has been noted by this command."""
    return list(_notes)


def print_json(values: dict[str, Any], *, stdout_taken: bool = False) -> None:
    """One line of JSON, on stdout unless sound goes there."""
    print(json.dumps(values), file=sys.stderr if stdout_taken else sys.stdout)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Rows in aligned columns, on stdout."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def quoted(argument: str) -> str:
    """An argument as it has to be typed in a shell."""
    return subprocess.list2cmdline([argument]) if os.name == "nt" else shlex.quote(argument)


@contextlib.contextmanager
def progress(what: str) -> Iterator["Bar"]:
    """A progress bar on stderr where a person is looking, otherwise a line now and then."""
    if not Console(stderr=True).is_terminal:
        yield Bar(_Lines(), TaskID(0))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    # A way of its own to the terminal, so that the bar is seen while `quiet_libraries` keeps others from it.
    own = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding, errors="replace")
    with own, Progress(*columns, console=Console(file=own), transient=True) as shown:
        yield Bar(shown, shown.add_task(what, total=None))


class _Display(Protocol):
    """What a bar uses of rich's `Progress`."""

    def update(self, task_id: TaskID, **fields: Any) -> None: ...

    def reset(self, task_id: TaskID, **fields: Any) -> None: ...


class _Lines:
    """Progress as lines on stderr, the first after _EVERY seconds."""

    def __init__(self) -> None:
        self._last, self._what = time.monotonic(), ""

    def update(self, task_id: TaskID, **fields: Any) -> None:
        self._what = fields.get("description") or self._what
        if time.monotonic() - self._last >= _EVERY:
            self._last = time.monotonic()
            share = f": {fields['completed']:.0%}" if fields.get("total") else ""
            print(f"{self._what}{share}", file=sys.stderr, flush=True)

    reset = update


class Bar:
    """Progress of a command, as a bar on a terminal and as lines off it."""

    def __init__(self, display: _Display, task: TaskID) -> None:
        self._display, self._task, self._share = display, task, 0.0

    def begin(self, what: str) -> None:
        """Begins a new step, with a bar of its own."""
        self._share = 0.0
        self._display.reset(self._task, description=what, total=None)

    def show(self, share: float, **fields: str) -> None:
        """Share of the step that is done, 0 to 1."""
        if share < self._share:
            # A bar that has been full keeps its time until it is reset.
            self._display.reset(self._task)
        self._share = share
        self._display.update(self._task, completed=share, total=1.0, **fields)

    def on_progress(self, what: str, share: float) -> None:
        """Name of the current step, and the share of all steps that is done, 0 to 1."""
        self.show(share, description=what)


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
    recorded: list[warnings.WarningMessage] = []
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDERR)
        os.close(nowhere)
        with warnings.catch_warnings(record=True) as recorded:
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, _STDERR)
        os.close(kept)
        for warning in recorded:
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
