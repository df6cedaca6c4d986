"""Several trials in one stack of nets: their batches, steps and ends."""
