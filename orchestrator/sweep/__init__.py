"""A plan is carried out: trials are queued, run, recorded and tried again."""
