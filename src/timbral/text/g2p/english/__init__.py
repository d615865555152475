"""English text to ARPAbet."""

from timbral.text.g2p.english.phones import pronounce
from timbral.text.g2p.english.readings import phones_of_reading

__all__ = ["phones_of_reading", "pronounce"]
