"""English text to ARPAbet."""
