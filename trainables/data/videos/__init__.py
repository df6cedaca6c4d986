"""Recordings: videos and folders of frames, and clips that are cut of them."""
