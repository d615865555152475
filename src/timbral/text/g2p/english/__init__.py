"""English text to ARPAbet."""

from timbral.text.g2p.english.pronounce import pronounce

__all__ = ["pronounce"]
