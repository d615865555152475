"""English text normalisation: written English as it is said."""

from timbral.text.normalize.english.text import normalize

__all__ = ["normalize"]
