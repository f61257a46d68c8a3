"""Bricks of the vision transformer in plain PyTorch: no registry, no config, no other room."""
