"""A grid and its data become cells: what would run, what is skipped, and why."""
