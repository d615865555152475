"""Where `timbral` starts: gathers the commands; whatever goes wrong becomes one line and an exit code."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer

from timbral import __version__
from timbral.cli import (
    adapt,
    clone,
    compress,
    doctor,
    evaluate,
    importing,
    models,
    pack,
    prepare,
    proofread,
    pull,
    read,
    say,
    serve,
    terminal,
    train,
    voices,
    watermark,
)
from timbral.cli.defaults import read_defaults
from timbral.errors import TimbralError
from timbral.paths import describe_error

MISTAKE, FAILURE, INTERRUPTED, TERMINATED = 2, 1, 130, 143
"""Exit codes: the user's mistake, ours or the machine's, Ctrl-C, SIGTERM."""

app = typer.Typer(
    name="timbral",
    help="Clone a voice from a few seconds of speech, and speak with it.",
    epilog="Every command also takes --debug, which shows where an error came from.",
    rich_markup_mode=None,
)
app.command("say")(say.say)
app.command("read")(read.read)
app.command("clone")(clone.clone)
app.add_typer(voices.app, name="voices")
app.add_typer(models.app, name="models")
app.command("import")(importing.import_checkpoints)
app.command("compress")(compress.compress)
app.command("pack")(pack.pack)
app.command("pull")(pull.pull)
app.command("prepare")(prepare.prepare)
app.command("proofread")(proofread.proofread)
app.command("train")(train.train)
app.command("adapt")(adapt.adapt)
app.command("evaluate")(evaluate.evaluate)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.add_typer(serve.keys, name="keys")
app.add_typer(serve.audit, name="audit")
app.command("watermark")(watermark.watermark)
app.command("doctor")(doctor.doctor)


class _TerminationError(BaseException):
    """SIGTERM or SIGHUP was received."""


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    if version:
        print(__version__)
    elif context.invoked_subcommand is None:
        print(context.get_help())
    else:
        context.default_map = read_defaults(context.command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0, or 2 for the user's mistakes, 1 for failures of ours."""
    given, debug = _without_debug(sys.argv[1:] if arguments is None else arguments)
    with terminal.prepared(), _terminable():
        try:
            code = app(given, prog_name="timbral", standalone_mode=False) or 0
            if code != INTERRUPTED:
                return int(code)
            problem = "interrupted"
        except BrokenPipeError:
            _close_stdout()
            return FAILURE
        except (Exception, KeyboardInterrupt, _TerminationError) as error:
            if debug:
                sys.excepthook(*sys.exc_info())
            code, problem = _explained(error)
            try:
                sys.stdout.flush()
            except (OSError, ValueError):
                _close_stdout()
        terminal.complain(problem)
        return code


def _explained(error: BaseException) -> tuple[int, str]:
    """Exit code of an error, and what is said of it."""
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return INTERRUPTED, "interrupted"
    if isinstance(error, _TerminationError):
        return TERMINATED, "terminated"
    if isinstance(error, TimbralError):
        return MISTAKE, str(error)
    if isinstance(error, OSError) and error.filename:
        return FAILURE, describe_error(error, Path(str(error.filename)))
    # The class of the command line's own errors depends on typer's version, but all of them can do this.
    explain: Any = getattr(error, "format_message", None)
    if explain:
        return MISTAKE, f"{explain().rstrip('.')}; --help shows what there is"
    return FAILURE, f"{type(error).__name__}: {error}; --debug shows where it came from"


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM, and a terminal that is closed, end the command as Ctrl-C does, so that nothing half-written stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # nohup has SIGHUP ignored, and it stays so.
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, _terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise _TerminationError


def _without_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Takes --debug out, wherever it stands before a `--`: an error may come before options are parsed."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [a for a in arguments[:end] if a != "--debug"]
    return [*options, *arguments[end:]], len(options) < end


def _close_stdout() -> None:
    """Closes stdout that nobody reads or that is full, so that Python does not report it again at exit."""
    with contextlib.suppress(OSError):
        sys.stdout.close()
