"""Whose names a file uses, and what is known about the encoder in it."""
