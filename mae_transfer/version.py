"""The version of this release: the one place where the number stands."""

__version__ = '0.1.0'
