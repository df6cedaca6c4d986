"""`orch monitor`: a trial's net on pictures as they come, window by window against its validation split."""
