"""The study that inspired this program, as claims with verdicts."""
