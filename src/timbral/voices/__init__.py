"""Voices: the file format, consent, and the user's store of named voices."""

from timbral.voices.voice import SUFFIX, Consent, Prompt, Voice

__all__ = ["SUFFIX", "Consent", "Prompt", "Voice"]
