"""What the C library does with memory that was freed: it gives much of it back, and asks for it again a moment later."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""Of `mallopt`, see malloc.h of glibc."""
_LARGEST: Final = 32 * 2**20
"""Bytes; the most that glibc takes from its heap on a 64-bit machine. What is larger is mapped and unmapped each time."""
_KEPT: Final = 2**31 - 1


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within, memory that was freed stays with this process; afterwards it is given back.

    Otherwise whether a pass of a net asks the system for its memory again, which takes as long as a small net itself,
    depends on what else happens to lie at the end of the heap: of two copies of one net one took 1.7 times as long.
    Does nothing where the C library is not glibc.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, _LARGEST)
    library.mallopt(_TRIM_THRESHOLD, _KEPT)
    try:
        yield
    finally:
        # where glibc's own adjustment ends up once something large has been freed (mallopt(3), M_MMAP_THRESHOLD)
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
