"""Where `timbral` starts: gathers the commands; whatever goes wrong becomes one line and an exit code."""

import contextlib
import sys
from collections.abc import Sequence

import typer

from timbral import __version__
from timbral.cli import (
    adapt,
    doctor,
    importing,
    models,
    prepare,
    proofread,
    pull,
    read,
    say,
    terminal,
    train,
    voices,
)
from timbral.errors import TimbralError

MISTAKE, FAILURE, INTERRUPTED = 2, 1, 130
"""Exit codes: the user's mistake, ours or the machine's, Ctrl-C."""

app = typer.Typer(
    name="timbral",
    help="Clone a voice from a few seconds of speech, and speak with it.",
    epilog="Every command also takes --debug, which shows where an error came from.",
    add_completion=False,
    rich_markup_mode=None,
)
app.command("say")(say.say)
app.command("read")(read.read)
app.command("clone")(voices.clone)
app.add_typer(voices.app, name="voices")
app.command("models")(models.models)
app.command("import")(importing.import_checkpoints)
app.command("pull")(pull.pull)
app.command("prepare")(prepare.prepare)
app.command("proofread")(proofread.proofread)
app.command("train")(train.train)
app.command("adapt")(adapt.adapt)
app.command("doctor")(doctor.doctor)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    if version:
        print(__version__)
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0, or 2 for the user's mistakes, 1 for failures of ours."""
    given, debug = _without_debug(sys.argv[1:] if arguments is None else arguments)
    terminal.prepare()
    try:
        code = app(given, prog_name="timbral", standalone_mode=False) or 0
        if code != INTERRUPTED:
            return int(code)
        problem = "interrupted"
    except (KeyboardInterrupt, typer.Abort):
        code, problem = INTERRUPTED, "interrupted"
    except BrokenPipeError:
        _close_stdout()
        return FAILURE
    except TimbralError as error:
        _trace_if(debug)
        code, problem = MISTAKE, str(error)
    except Exception as error:
        _trace_if(debug)
        # The class of the command line's own errors depends on typer's version, but all of them can do this.
        explain = getattr(error, "format_message", None)
        code = MISTAKE if explain else FAILURE
        problem = (
            f"{explain().rstrip('.')}; --help shows what there is"
            if explain
            else f"{type(error).__name__}: {error}; --debug shows where it came from"
        )
    terminal.complain(problem)
    return code


def _without_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Takes --debug out, wherever it stands before a `--`: an error may come before options are parsed."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [a for a in arguments[:end] if a != "--debug"]
    return [*options, *arguments[end:]], len(options) < end


def _trace_if(debug: bool) -> None:
    if debug:
        sys.excepthook(*sys.exc_info())


def _close_stdout() -> None:
    """Who read our output has gone; Python would complain again when it flushes at exit."""
    with contextlib.suppress(OSError):
        sys.stdout.close()
