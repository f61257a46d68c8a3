"""Steps that were not finite: kept with their batch, run again, searched for the cause."""
