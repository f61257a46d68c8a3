"""Which patches are hidden: pure functions on index tensors, without a model."""
