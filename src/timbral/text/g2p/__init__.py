"""Grapheme to phoneme: normalised text to phones, one room a language."""
