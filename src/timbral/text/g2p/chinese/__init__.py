"""Mandarin text to initials and finals with tone."""
