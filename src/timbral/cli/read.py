"""`timbral read`: how a text will be read, without speaking it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, Language, Words
from timbral.cli.texts import read_text
from timbral.text import Lexicon, Utterance, to_utterances
from timbral.text.notation import readable

Text = Annotated[str | None, typer.Argument(help="What to read; - reads it from stdin.", show_default=False)]
TextFile = Annotated[Path | None, typer.Option("-f", "--file", help="Read the text from a file.")]
Encoding = Annotated[str | None, typer.Option(help="Encoding of the text; found out by default.")]


def read(
    text: Text = None,
    file: TextFile = None,
    encoding: Encoding = None,
    lang: Language = "auto",
    lexicon: Words = None,
    json: Json = False,
) -> None:
    """Show how a text will be read: languages, words, sounds."""
    given = Lexicon.read(lexicon) if lexicon else None
    utterances = list(to_utterances(read_text(text, file, encoding), lang, lexicon=given))
    if json:
        terminal.print_json({"utterances": [_values(utterance) for utterance in utterances]})
        return
    for utterance in utterances:
        if utterance.pause:
            print(f"--   pause of {utterance.pause:g} s")
        for segment in utterance.segments:
            # The stop in front of a short text is for the networks.
            words = segment.text.strip().removeprefix(".")
            print(f"{segment.language:<4} {words}\n     {readable(segment)}")


def _values(utterance: Utterance) -> dict[str, Any]:
    segments = [
        {
            "language": segment.language,
            "text": segment.text,
            "reading": readable(segment),
            "phones": segment.phones,
        }
        for segment in utterance.segments
    ]
    return {
        "source": utterance.source,
        "pause": utterance.pause,
        "unspoken": utterance.unspoken,
        "segments": segments,
    }
