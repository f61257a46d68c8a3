"""Defines the version of this release; the number is only here."""

__version__ = '0.1.0'
