"""The embedded comparison: its pictures, its runs, its table and the picture of its results."""
