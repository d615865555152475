"""Korean text to jamo as spoken."""

from timbral.text.g2p.korean.phones import phones_of_reading, pronounce

__all__ = ["phones_of_reading", "pronounce"]
