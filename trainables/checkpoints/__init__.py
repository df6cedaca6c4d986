"""A trial's whole state on disk, so that a later attempt goes on from its last epoch."""
