"""The levels of the axis `deployment`: another net is made of one that a trial has trained. A file each."""
