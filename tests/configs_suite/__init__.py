"""Every recipe of configs/ against tables written by hand."""
