"""Building blocks of the vision transformer, in PyTorch and timm, without registry or config."""
