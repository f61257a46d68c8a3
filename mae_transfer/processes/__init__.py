"""How the processes of a run begin and end: signals, launcher, parent, data workers, hung ones."""
