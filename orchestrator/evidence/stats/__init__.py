"""Statistics: pure functions from figures of trials to figures about them. No file is read and nothing is printed."""
