"""Exports the encoder of a checkpoint to a file that another library loads strictly."""
