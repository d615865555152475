"""Timbral: a voice from a few seconds of speech, on an ordinary CPU.

    import timbral

    tts = timbral.load()
    voice = tts.clone("me.wav", text="what I say in it")
    tts.say("你好, world!", voice).save("out.wav")

`load` gives a `Synthesizer` with `clone`, `say` and `stream`. A `Voice` can be saved and loaded; a `Speech`
is an `Audio` with a `Report`. What a user can get wrong raises a `TimbralError`; what they should know is a
`TimbralWarning`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timbral.audio import Audio
    from timbral.errors import TimbralError, TimbralWarning
    from timbral.inference.stream import Report, Speech, SpeechStream
    from timbral.synthesizer import Synthesizer, load
    from timbral.voices.voice import Consent, Voice

__version__ = "0.1.0"

__all__ = [
    "Audio",
    "Consent",
    "Report",
    "Speech",
    "SpeechStream",
    "Synthesizer",
    "TimbralError",
    "TimbralWarning",
    "Voice",
    "load",
]

_HOMES = {
    "Audio": "audio",
    "Consent": "voices.voice",
    "Report": "inference.stream",
    "Speech": "inference.stream",
    "SpeechStream": "inference.stream",
    "Synthesizer": "synthesizer",
    "TimbralError": "errors",
    "TimbralWarning": "errors",
    "Voice": "voices.voice",
    "load": "synthesizer",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that its parts can be used without the whole."""
    if name not in _HOMES:
        raise AttributeError(f"module 'timbral' has no attribute {name!r}")
    return getattr(import_module(f"timbral.{_HOMES[name]}"), name)
