"""Speakers: the voice file, consent, and the user's voices by name.

voice = timbral.voices.load("me")      # or `default`, which comes with the package
timbral.voices.save(voice, "me too")
"""

from timbral.voices.prosody import Prosody
from timbral.voices.store import DEFAULT, infos, load, names, open_voice, remove, rename, restore, save
from timbral.voices.voice import SUFFIX, Consent, Prompt, Voice, VoiceInfo

__all__ = [
    "DEFAULT",
    "SUFFIX",
    "Consent",
    "Prompt",
    "Prosody",
    "Voice",
    "VoiceInfo",
    "infos",
    "load",
    "names",
    "open_voice",
    "remove",
    "rename",
    "restore",
    "save",
]
