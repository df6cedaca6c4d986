"""What people read of results: tables, status, the log of a trial."""
