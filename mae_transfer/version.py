"""The version of this release: the number is nowhere else."""

__version__ = '0.1.0'
