"""Whether a results directory is intact, and what can be done where it is not."""
