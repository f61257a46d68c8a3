"""From a path to named tensors, with what the file says about itself."""
