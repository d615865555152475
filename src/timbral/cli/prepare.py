"""`timbral prepare`: raw recordings become a training set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, Language

if TYPE_CHECKING:
    from timbral.data import Prepared

Sources = Annotated[
    list[Path], typer.Argument(metavar="RECORDING|DIR...", help="Recordings, or folders of them.")
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the training set.")]
Speaker = Annotated[str, typer.Option("--speaker", help="Name in the list; that of the folder by default.")]
Separate = Annotated[bool, typer.Option("--separate", help="Take the voice out of music.")]
Dereverb = Annotated[bool, typer.Option("--dereverb", help="Take the voice out of an echoing room.")]
VocalsModel = Annotated[
    str | None, typer.Option("--vocals-model", metavar="NAME|FILE", help="Which model --separate uses.")
]
DryModel = Annotated[
    str | None, typer.Option("--dry-model", metavar="NAME|FILE", help="Which model --dereverb uses.")
]
Denoise = Annotated[bool, typer.Option("--denoise", help="Take noise out of clips that have some.")]
DenoiseBelow = Annotated[
    float, typer.Option(help="dB of speech above the noise; --denoise works on clips below.")
]
Transcriber = Annotated[
    str, typer.Option(metavar="NAME|DIR", help="whisper, a published size such as small, a folder, or none.")
]
Threshold = Annotated[float, typer.Option(help="Level in dB below which it is silent.")]
MinLength = Annotated[int, typer.Option(help="Milliseconds that a clip lasts at least before it is cut.")]
MinInterval = Annotated[int, typer.Option(help="Milliseconds of silence at which it may be cut.")]
HopSize = Annotated[int, typer.Option(help="Milliseconds between two looks at the level.")]
MaxSilence = Annotated[int, typer.Option("--max-sil-kept", help="Milliseconds of silence kept at the ends.")]
Shortest = Annotated[float, typer.Option(help="Seconds of the shortest clip to use.")]
Longest = Annotated[float, typer.Option(help="Seconds of the longest clip; longer ones are cut.")]
Noise = Annotated[float, typer.Option(help="dB that the speech has to be above the noise.")]
AtMost = Annotated[float, typer.Option(help="About how many seconds are wanted, the cleanest; 0 for all.")]
AtLeast = Annotated[
    float,
    typer.Option(help="Seconds for which noisy and clipped clips are used, too, if there are few others."),
]
Confidence = Annotated[float, typer.Option(help="Least logarithm of the words' mean probability.")]

_MOST_NOTES = 20


def prepare(
    sources: Sources,
    output: Output,
    speaker: Speaker = "",
    lang: Language = "auto",
    separate: Separate = False,
    dereverb: Dereverb = False,
    vocals_model: VocalsModel = None,
    dry_model: DryModel = None,
    denoise: Denoise = False,
    denoise_below: DenoiseBelow = 19.0,
    transcriber: Transcriber = "whisper",
    threshold: Threshold = -34.0,
    min_length: MinLength = 4000,
    min_interval: MinInterval = 300,
    hop_size: HopSize = 10,
    max_sil_kept: MaxSilence = 500,
    shortest: Shortest = 1.0,
    longest: Longest = 15.0,
    noise: Noise = 10.0,
    confidence: Confidence = -1.0,
    at_most: AtMost = 0.0,
    at_least: AtLeast = 0.0,
    json: Json = False,
) -> None:
    """Make a training set of recordings: clean, slice, transcribe, filter. Run it again to resume."""
    from timbral import data
    from timbral.data.separation import DRY, VOCALS

    settings = data.Settings(
        speaker=speaker,
        language=lang,
        separate=separate,
        dereverb=dereverb,
        vocals_model=vocals_model or VOCALS,
        dry_model=dry_model or DRY,
        denoise=denoise,
        denoise_below=denoise_below,
        transcriber=transcriber,
        at_most=at_most,
        at_least=at_least,
        slicing=data.Slicing(threshold, min_length, min_interval, hop_size, max_sil_kept),
        thresholds=data.Thresholds(shortest=shortest, longest=longest, noise=noise, confidence=confidence),
    )
    with terminal.progress("preparing") as bar:
        prepared = data.prepare(sources, output, settings, terminal.Narrator(bar))
    if json:
        terminal.print_json(_values(prepared))
        return
    for problem in (*prepared.problems, *prepared.notes):
        terminal.note(problem)
    for one in prepared.dropped[:_MOST_NOTES]:
        terminal.note(f"dropped {one.line.audio.name}: {one.reason}")
    if len(prepared.dropped) > _MOST_NOTES:
        terminal.note(f"dropped {len(prepared.dropped) - _MOST_NOTES} more; the report says why")
    print(
        f"{prepared.path}: {len(prepared.lines)} clips, {prepared.seconds:.0f} s, {len(prepared.dropped)} dropped"
    )
    print(f"{prepared.report}: what was measured")


def _values(prepared: "Prepared") -> dict[str, Any]:
    return {
        "list": str(prepared.path),
        "report": str(prepared.report),
        "clips": len(prepared.lines),
        "seconds": prepared.seconds,
        "dropped": {one.line.audio.name: one.reason for one in prepared.dropped},
        "problems": list(prepared.problems),
        "notes": list(prepared.notes),
    }
