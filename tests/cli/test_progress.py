"""Progress of commands: bars on a terminal, lines elsewhere."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from timbral.cli import terminal


def test_a_full_bar_begins_anew() -> None:
    with Progress(console=Console(file=io.StringIO(), force_terminal=True)) as shown:
        bar = terminal.Bar(shown, shown.add_task("first", total=None))
        bar.show(1.0)
        assert shown.tasks[0].finished
        bar.begin("second")
        assert not shown.tasks[0].finished
        for share in (1.0, 0.5):
            bar.on_progress("third", share)
        assert (shown.tasks[0].description, shown.tasks[0].percentage) == ("third", 50)
        assert not shown.tasks[0].finished


def test_off_a_terminal_there_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with terminal.progress("preparing") as bar:
        narrator = terminal.Narrator(bar)
        narrator("cutting", 0.5)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(terminal, "_EVERY", 0.0)
        narrator("cutting", 0.75)
        assert capsys.readouterr().err == "cutting: 75%\n"
