"""Timbral: a voice from a few seconds of speech, on an ordinary CPU.

    import timbral

    tts = timbral.load()
    voice = tts.clone("me.wav", text="what I say in it")
    tts.say("你好, world!", voice).save("out.wav")

`load` gives a `Synthesizer` with `clone`, `say` and `stream`. A `Voice` can be saved and loaded; a `Speech` is an `Audio` with
a `Report`. What a user can get wrong raises a `TimbralError`; what they should know is a `TimbralWarning`.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

# onnxruntime and huggingface_hub report usage to their makers unless told otherwise before they are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

if TYPE_CHECKING:
    from timbral import voices as voices
    from timbral.audio import Audio
    from timbral.config import GenerationConfig
    from timbral.errors import (
        AudioError,
        BundleError,
        CheckpointError,
        CompressionError,
        DataError,
        HubError,
        InstallationError,
        SettingError,
        SynthesisError,
        TextError,
        TimbralError,
        TimbralWarning,
        TrainingError,
        VoiceError,
    )
    from timbral.inference.stream import Report, Speech, SpeechChunk, SpeechStream
    from timbral.inference.timestamps import SpokenUtterance, Timestamp
    from timbral.synthesizer import Synthesizer, load
    from timbral.text import Lexicon
    from timbral.voices import Consent, Voice

_MODULES = {
    "Audio": "audio",
    "Consent": "voices",
    "GenerationConfig": "config",
    "Lexicon": "text",
    "Report": "inference.stream",
    "Speech": "inference.stream",
    "SpeechChunk": "inference.stream",
    "SpeechStream": "inference.stream",
    "SpokenUtterance": "inference.timestamps",
    "Synthesizer": "synthesizer",
    "Timestamp": "inference.timestamps",
    "Voice": "voices",
    "load": "synthesizer",
    **dict.fromkeys(
        (
            "AudioError",
            "BundleError",
            "CheckpointError",
            "CompressionError",
            "DataError",
            "HubError",
            "InstallationError",
            "SettingError",
            "SynthesisError",
            "TextError",
            "TimbralError",
            "TimbralWarning",
            "TrainingError",
            "VoiceError",
        ),
        "errors",
    ),
}

_SUBMODULES = ("voices",)
"""What is used by its own name, as in `timbral.voices.load("me")`."""

__all__ = [
    "Audio",
    "AudioError",
    "BundleError",
    "CheckpointError",
    "CompressionError",
    "Consent",
    "DataError",
    "GenerationConfig",
    "HubError",
    "InstallationError",
    "Lexicon",
    "Report",
    "SettingError",
    "Speech",
    "SpeechChunk",
    "SpeechStream",
    "SpokenUtterance",
    "SynthesisError",
    "Synthesizer",
    "TextError",
    "TimbralError",
    "TimbralWarning",
    "Timestamp",
    "TrainingError",
    "Voice",
    "VoiceError",
    "load",
]

if not TYPE_CHECKING:  # a type checker reads the imports above, and refuses other names

    def __getattr__(name: str) -> object:
        """Imports a public name when it is first used, so that parts can be used without the whole."""
        if name in _SUBMODULES:
            return import_module(f"timbral.{name}")
        if name not in _MODULES:
            raise AttributeError(f"module 'timbral' has no attribute {name!r}")
        return getattr(import_module(f"timbral.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, *_SUBMODULES, "__version__"]
