"""Korean text to jamo as spoken."""
