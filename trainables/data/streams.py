"""Streams of random numbers for what is decided of the data, each of its own purpose."""

from hashlib import blake2b

import numpy as np


def stream(purpose: str, seed: int) -> np.random.Generator:
    """The same on every rank and machine; independent of the streams of other purposes and seeds."""
    digest = blake2b(f"{purpose}:{seed}".encode(), digest_size=8).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))
