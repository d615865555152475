"""Where test data lies."""

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
"""Recordings, and outputs of the official code."""
GOLDENS = DATA / "goldens"
