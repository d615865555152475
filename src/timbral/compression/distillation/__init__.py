"""Distillation: students with few parameters learn what the networks of a model do."""
