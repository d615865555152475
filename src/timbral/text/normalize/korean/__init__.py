"""Korean text as written to what is said."""

from timbral.text.normalize.korean.text import normalize

__all__ = ["normalize"]
