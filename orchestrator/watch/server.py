"""Serves the page of one sweep on loopback: its files, and looks as server-sent events. It can do nothing but read."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Final, NamedTuple

from aiohttp import web

from orchestrator.errors import UserError
from orchestrator.watch.feed import Feed
from orchestrator.watch.guard import HEADERS, LOOPBACK, METHODS, names_this_machine, new_token, path_below

Source = Callable[[Feed], Coroutine[None, None, None]]
"""Tells the feed one look after another, until `Feed.ending`."""

EVENTS: Final = "events"
_TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_OF_THE_REPORT: Final = ("report.css", "look.js")
"""Colours, type and formats are the report's."""
_OWN: Final = ("watch.css", "curves.js", "watch.js")
PAGES: Final = 32
"""Open at once; a page more is told to come back later."""
ALIVE: Final = 10.0
"""Seconds after which an open page hears from us in any case: that is how a browser that went away is noticed."""
STUCK: Final = 30.0
"""Seconds after which a browser that takes nothing is let go."""
LAST_LOOK: Final = 3.0
"""Seconds that the source has for its last look."""


class Served(NamedTuple):
    """A page that can be opened."""

    address: str
    source: asyncio.Task[None]


class WatchServer:
    """The answers to all requests."""

    def __init__(self, feed: Feed, token: str) -> None:
        self._feed, self._token = feed, token
        self._files = {
            "": _file("orchestrator.watch", "page/watch.html"),
            **{name: _file("orchestrator.report", f"templates/{name}") for name in _OF_THE_REPORT},
            **{name: _file("orchestrator.watch", f"page/{name}") for name in _OWN},
        }

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request: 405 for another method, 404 for all but the page, its files and its events."""
        if request.method not in METHODS:
            return _refusal(405, "this page can be read, and nothing else", Allow=", ".join(METHODS))
        if not names_this_machine(request.headers.getall("Host", [])):
            return _refusal(404, "not found")
        name = path_below(self._token, request.raw_path)
        if name == EVENTS:
            return await self._events(request)
        if name is None or (file := self._files.get(name)) is None:
            return _refusal(404, "not found")
        type_, content = file
        return web.Response(body=content, content_type=type_, charset="utf-8", headers=HEADERS)

    async def _events(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._feed.pages >= PAGES:
            return _refusal(503, f"{PAGES} pages are open already", **{"Retry-After": "10"})
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        with self._feed.page():
            try:
                await self._tell(response)
            except (ConnectionError, TimeoutError):  # the browser has gone, or sleeps
                if request.transport is not None:
                    request.transport.abort()
        return response

    async def _tell(self, response: web.StreamResponse) -> None:
        seen = 0
        await self._feed.opened()
        await _send(response, "retry: 1000\n\n")
        while (found := await self._feed.newer(seen, ALIVE)) is not None or not self._feed.closed:
            if found is None:
                await _send(response, ": still here\n\n")
            else:
                seen = found.number
                await _send(response, f"data: {found.text}\n\n")


async def _send(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(STUCK):
        await response.write(text.encode())


def _file(package: str, name: str) -> tuple[str, bytes]:
    """Its type and its content."""
    return _TYPES[name.rpartition(".")[2]], files(package).joinpath(name).read_bytes()


def _refusal(status: int, text: str, **more: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers={**HEADERS, **more})


@asynccontextmanager
async def serving(source: Source, port: int = 0) -> AsyncIterator[Served]:
    """The page, as long as it is served. port: 0 for any that is free. Raises UserError where it is taken."""
    feed, token = Feed(), new_token()
    server = web.Server(
        WatchServer(feed, token).answer,
        access_log=None,  # it would have the token
        logger=_log,
        handler_cancellation=True,
        keepalive_timeout=15,
        lingering_time=1,
    )
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    following = asyncio.create_task(source(feed))
    try:
        site = web.TCPSite(runner, LOOPBACK, port)
        try:
            await site.start()
        except OSError as error:
            why = error.strerror or error
            raise UserError(f"cannot serve the page on port {port}: {why}; choose another --port") from None
        yield Served(f"http://{LOOPBACK}:{runner.addresses[0][1]}/{token}/", following)
    finally:
        await feed.end()
        await asyncio.wait([following], timeout=LAST_LOOK)
        following.cancel()
        await feed.close()
        await runner.cleanup()
        with suppress(asyncio.CancelledError):
            await following


_log: Final = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())
_log.propagate = False  # what no HTTP is said to us is no news for a terminal
