"""`timbral watermark`: whether a recording carries the watermark of synthetic speech."""

from pathlib import Path
from typing import Annotated

import typer

from timbral.audio import read
from timbral.audio.watermark import PUBLIC_KEY, detect_watermark
from timbral.cli import terminal
from timbral.cli.options import Json

NOT_FOUND = 3
"""Exit code where there is no watermark; 1 would be a failure."""

File = Annotated[Path, typer.Argument(help="A recording of 1 s to 10 minutes, in any format.")]
Key = Annotated[
    str,
    typer.Option(
        envvar="TIMBRAL_WATERMARK_KEY", show_default=False, help="Of an operator; the public key by default."
    ),
]
AnySpeed = Annotated[
    bool,
    typer.Option(
        "--any-speed", help="Also find it where speed, tempo or pitch were changed by up to a fifth; slower."
    ),
]


def watermark(file: File, key: Key = PUBLIC_KEY, any_speed: AnySpeed = False, json: Json = False) -> None:
    """Find out whether a recording carries the watermark: exit code 0 if it does, 3 if not."""
    with terminal.progress("searching"):
        found = detect_watermark(*read(file), key, any_speed=any_speed)
    if json:
        facts = {"file": str(file), "watermark": found.found, "statistic": round(found.statistic, 2)}
        terminal.print_json({**facts, "false_alarm": found.false_alarm, "spans": found.spans})
    else:
        verdict = "watermark found" if found.found else "no watermark"
        spans = ", ".join(f"{start:.0f} to {end:.0f} s" for start, end in found.spans)
        print(f"{file}: {verdict}{f', {spans}' if spans else ''}")
        print(
            f"statistic {found.statistic:.1f}, probability of a false alarm at most {found.false_alarm:.1g}"
        )
    if not found.found:
        raise typer.Exit(NOT_FOUND)
