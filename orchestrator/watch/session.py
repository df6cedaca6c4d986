"""One `orch watch` from its first look to Ctrl-C: the server, the browser, and what ends them."""

import asyncio
import os
import signal
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from orchestrator.watch.server import Source, serving

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def watch(source: Source, say: Callable[[str], None], *, port: int, browse: bool, until_eof: bool) -> None:
    """Serve the page until a signal ends it. Raises UserError where the port is taken.

    say: is told the address. browse: open a browser, where there is one. until_eof: end with the standard input too, as a
    process does that belongs to a sweep.
    """
    asyncio.run(_watch(source, say, port, browse, until_eof))


async def _watch(source: Source, say: Callable[[str], None], port: int, browse: bool, until_eof: bool) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in _ENDING:
        loop.add_signal_handler(number, ended.set)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), _read_on, ended)
    async with serving(source, port) as served:
        say(served.address)
        with _opened(served.address if browse and has_browser() else None):
            signalled = asyncio.create_task(ended.wait())
            await asyncio.wait([signalled, served.source], return_when=asyncio.FIRST_COMPLETED)
            signalled.cancel()
    if until_eof:
        loop.remove_reader(sys.stdin.fileno())


def _read_on(ended: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        ended.set()


def has_browser() -> bool:
    """Whether a browser has a screen to open on: one of a terminal would take that over."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def _opened(address: str | None) -> Iterator[None]:
    """Within, a page in a browser. None: none."""
    if address is None:
        yield
        return
    # by way of a file of ours: every user of this machine can read the command line of a browser, and the token with it
    with TemporaryDirectory(prefix="orch-watch-") as folder:
        way = Path(folder) / "watch.html"
        way.touch(0o600)
        way.write_text(f'<meta http-equiv="refresh" content="0; url={escape(address)}">')
        webbrowser.open(way.as_uri())
        yield
