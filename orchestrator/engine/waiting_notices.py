"""What is said while slots of the sweep's own wait for what others hold."""

import time
from collections.abc import Iterable
from typing import Final

from clusters.node_watch import Usage
from orchestrator.engine.slots import Slot
from orchestrator.text import counted

FIRST_NOTICE: Final = 4.0
"""Seconds after which a slot that has not come up may wait for others; its process takes some to start."""
NOTICE_AGAIN: Final = 60.0
"""Seconds until that is said again."""
_SHOWN: Final = 5
"""Holders that are named."""


class WaitingNotices:
    """Tells that slots wait, for what, and who holds it: soon, and then now and again."""

    def __init__(self, cluster: str, limit: float) -> None:
        """limit: seconds for which they wait."""
        self._cluster, self._limit = cluster, limit
        self._noted_at = -NOTICE_AGAIN

    def next(self, slots: Iterable[Slot], usage: Usage | None) -> str | None:
        """What is to be said now. usage: as it was seen last; None where it is not known."""
        silent = [slot for slot in slots if slot.silent_for() > FIRST_NOTICE]
        if not silent or usage is None or not usage.waiting or time.monotonic() - self._noted_at < NOTICE_AGAIN:
            return None
        self._noted_at = time.monotonic()
        longest = max(silent, key=Slot.silent_for)
        shape = longest.shape
        return (
            f"waiting for room on {self._cluster!r} for {longest.silent_for():.0f} s: "
            f"{counted(len(silent), 'slot')} of {shape.workers} x {shape.cpus:g} CPUs and {shape.gpus:g} GPUs;"
            f" {held(usage)}. The sweep waits for {self._limit:g} s (start_timeout)"
        )


def held(usage: Usage) -> str:
    """Return what is free, and who holds the rest."""
    free = f"{usage.free_cpus:g} of {usage.cpus:g} CPUs and {usage.free_gpus:g} of {usage.gpus:g} GPUs are free"
    if not usage.holders:
        return f"{free}, and Ray knows of no other user"
    more = f" and {len(usage.holders) - _SHOWN} more" if len(usage.holders) > _SHOWN else ""
    return f"{free}; according to Ray the rest is used by {'; '.join(usage.holders[:_SHOWN])}{more}"
