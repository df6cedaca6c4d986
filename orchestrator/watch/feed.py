"""The latest look, for as many pages as are open: whoever is slow skips what has been overtaken, and nothing queues up."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple


class Told(NamedTuple):
    """A look as it is sent."""

    number: int
    text: str


class Feed:
    """Between one source of looks and the pages that wait for the next. Of one event loop."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        """Set when the source is to tell a last look, and to end."""
        self.pages = 0
        """Open at this moment."""
        self._closed = False
        self._latest = Told(0, "")
        self._changed = asyncio.Condition()

    # for the source

    async def wanted(self) -> None:
        """Wait until a page is open, or the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.pages or self.ending.is_set())

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ending.wait()

    async def tell(self, text: str) -> None:
        """Hand a look, one line, to all pages."""
        async with self._changed:
            self._latest = Told(self._latest.number + 1, text)
            self._changed.notify_all()

    # for a page

    @contextmanager
    def page(self) -> Iterator[None]:
        """Count a page as open within."""
        self.pages += 1
        try:
            yield
        finally:
            self.pages -= 1

    async def opened(self) -> None:
        """Say that a page has come."""
        async with self._changed:
            self._changed.notify_all()

    async def newer(self, than: int, patience: float) -> Told | None:
        """Wait for a look after the one of this number; None where none has come in so many seconds, or none will."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience), self._changed:
                await self._changed.wait_for(lambda: self._closed or self._latest.number > than)
        return self._latest if self._latest.number > than else None

    # for the server

    @property
    def closed(self) -> bool:
        """Whether no look will come any more."""
        return self._closed

    async def end(self) -> None:
        """Ask the source to tell a last look."""
        self.ending.set()
        await self.opened()

    async def close(self) -> None:
        """Let all pages go, once they have the latest look."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
