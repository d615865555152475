"""Chinese text normalisation."""
