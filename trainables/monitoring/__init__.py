"""Watching a trained net on pictures that belong to no data set: windows of them against its validation split."""
