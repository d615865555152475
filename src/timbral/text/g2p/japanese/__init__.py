"""Japanese text to OpenJTalk phones with prosody marks."""

from timbral.text.g2p.japanese.phones import phones_of_reading, pronounce

__all__ = ["phones_of_reading", "pronounce"]
