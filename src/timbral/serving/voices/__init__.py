"""Voices of a server: who may speak with which, and whose consent allows it."""
