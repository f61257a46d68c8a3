"""Reads named tensors from a path, with the facts that the file states about itself."""
