"""Tests mirror the package; ``references`` holds the slow, obvious versions to compare with."""
