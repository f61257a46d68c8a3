"""One-line mistakes, each with the test that sees it: ``make planted``."""
