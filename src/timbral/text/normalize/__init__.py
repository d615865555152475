"""Text normalisation: what is written to what is said, one room a language."""
