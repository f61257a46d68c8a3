"""Identifies whose names a file uses, and gathers the facts about the encoder in it."""
