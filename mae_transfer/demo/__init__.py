"""The embedded comparison: makes its data, runs its steps, and tabulates and draws the results."""
