"""The embedded comparison: its pictures, its runs and its table."""
