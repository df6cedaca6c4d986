"""Looks at a results directory of this machine, as long as a page is open."""

import asyncio
import time
from pathlib import Path
from typing import Final

from orchestrator.watch.feed import Feed
from orchestrator.watch.look import as_json
from orchestrator.watch.reading import ResultsReader

PERIOD: Final = 1.0
"""Seconds between two looks at least."""
PATIENCE: Final = 50.0
"""The next look waits this many times what a look takes: watching takes a fiftieth of a core at most, of any sweep."""
ANYWAY: Final = 5.0
"""Seconds after which there is a look though no file has changed: a sweep that was killed changes none."""


class Looks:
    """One look after another at what has changed, as JSON."""

    def __init__(self, root: Path) -> None:
        self._reader = ResultsReader(root)
        self._stamp: object = None
        self._looked = -ANYWAY
        self._took = (0.0, 0.0)

    @property
    def pause(self) -> float:
        """Seconds to wait before the next."""
        return max(PERIOD, PATIENCE * min(self._took))  # that all trials had to be read once says nothing of the next

    def next(self) -> str | None:
        """A look; None where nothing has changed since the last."""
        now, stamp = time.monotonic(), self._reader.stamp()
        if stamp == self._stamp and now - self._looked < ANYWAY:
            return None
        began = time.thread_time()
        text = as_json(self._reader.look())
        self._took = (self._took[1], time.thread_time() - began)
        self._stamp, self._looked = stamp, now
        return text


async def follow(root: Path, feed: Feed) -> None:
    """Tell the feed what stands in a results directory, until it is asked to end: then a last time."""
    looks = Looks(root)
    while not feed.ending.is_set():
        await feed.wanted()
        if (text := await asyncio.to_thread(looks.next)) is not None:
            await feed.tell(text)
        await feed.pause(looks.pause)
    if feed.pages and (text := await asyncio.to_thread(looks.next)) is not None:
        await feed.tell(text)
