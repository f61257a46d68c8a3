"""The encoder of a checkpoint as a file that another library loads strictly."""
