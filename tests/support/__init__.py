"""What several rooms of tests need: data sets on disk, processes, runners, weights and files."""
