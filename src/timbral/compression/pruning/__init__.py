"""Structured pruning: whole heads, neurons, layers and channels are removed, those that matter least first."""
