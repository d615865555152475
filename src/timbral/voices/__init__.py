"""Voices: the file format, consent, and the user's store of named voices."""
