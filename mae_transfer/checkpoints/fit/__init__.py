"""Tensors of a file, fitted to a ``PlainViT``, with an account of every one."""
