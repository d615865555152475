"""Evaluation: what a model costs in errors, likeness, sound, time and size, against its parent, and a gate that holds it."""
