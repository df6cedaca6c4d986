"""How much memory a slot's process holds. Imports nothing heavy."""

import psutil


def own_bytes() -> int:
    """Resident bytes of this process that it shares with no other: decoded data, mapped by all, is not its own."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))
