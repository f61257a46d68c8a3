"""Fits the tensors of a file to a ``PlainViT`` and accounts for each of them."""
