"""Where a sweep runs: what a cluster offers, how it is cut into slots, and how to reach it."""
