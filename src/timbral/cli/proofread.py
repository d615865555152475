"""`timbral proofread`: a page to listen to a training set and correct it."""

import contextlib
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[Path, typer.Argument(metavar="DIR|LIST", help="A training set, or an official list.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; any free one by default.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")]


def proofread(source: Source, port: Port = 0, browser: Browser = True) -> None:
    """Listen, correct texts, merge, split and drop clips on a page of this machine. Ctrl-C ends it."""
    from timbral.data.proofreading.server import serve

    def opened(address: str) -> None:
        print(address, flush=True)
        if browser:
            webbrowser.open(address)

    # Ctrl-C is how the page is meant to be ended.
    with contextlib.suppress(KeyboardInterrupt):
        serve(source, port, opened)
