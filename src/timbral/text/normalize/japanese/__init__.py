"""Japanese text as written to what is said."""

from timbral.text.normalize.japanese.text import normalize

__all__ = ["normalize"]
