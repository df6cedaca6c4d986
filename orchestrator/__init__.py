"""Runs a full grid of image-recognition experiments and keeps what comes out."""
