"""`timbral read`: how a text will be read, without speaking it."""

import sys
from typing import Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, Language, Words
from timbral.errors import TextError
from timbral.text import Lexicon, Utterance, to_utterances
from timbral.text.notation import readable

Text = Annotated[str, typer.Argument(help="What to read; - takes it from stdin.")]


def read(text: Text, lang: Language = "auto", lexicon: Words = None, json: Json = False) -> None:
    """Show how a text will be read: languages, words, sounds."""
    given = Lexicon.read(lexicon) if lexicon else None
    utterances = list(to_utterances(_text(text), lang, lexicon=given))
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


def _text(text: str) -> str:
    if text != "-":
        return text
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except ValueError:
        raise TextError("stdin: not a text in UTF-8; save it as UTF-8 first") from None


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
