"""Fair tuning: before a cell's seeds run, its open parameters are tuned on validation, with one budget for every cell."""
