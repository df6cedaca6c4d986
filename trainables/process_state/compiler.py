"""What torch's compiler keeps in a process, once a trial has had something compiled: that is no trial's doing."""

import sys
import threading
from typing import Any


def is_its_name(name: str) -> bool:
    """Recognise the compiler's names in a module: it keeps code as `__compiled_fn_1_...`, and takes it away again."""
    return name.startswith("__") and not name.endswith("__")


def its_threads() -> set[threading.Thread]:
    """Return the compiler's threads: it starts more as it needs them, up to one for each processor."""
    return {thread for pool in _pools() for thread in getattr(pool, "_threads", ())}


def its_processes() -> set[int]:
    """Numbers of those that it has started itself: one that starts the others, or all of them."""
    pools = _pools()
    starting = {process.pid for pool in pools if (process := getattr(pool, "process", None)) is not None}
    return starting.union(*(getattr(pool, "_processes", None) or () for pool in pools))


def _pools() -> list[Any]:
    """Return the pools that are there: to ask for one would make it."""
    module = sys.modules.get("torch._inductor.async_compile")
    if module is None:
        return []
    ways = (module.AsyncCompile.pool, module.AsyncCompile.thread_pool, module.AsyncCompile.process_pool)
    return [pool() for pool in ways if pool.cache_info().currsize]
