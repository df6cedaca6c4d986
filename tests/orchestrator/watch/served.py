"""A real server of a page, in a thread with a loop of its own, for tests that ask it as a browser would."""

import asyncio
import gc
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.watch import local
from orchestrator.watch.server import serving


@dataclass(frozen=True)
class Page:
    """Where it is served."""

    address: str
    loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        return int(urlsplit(self.address).port or 0)

    @property
    def path(self) -> str:
        return urlsplit(self.address).path

    def ask(self, method: str = "GET", path: str | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body. path: the page's own when None. A header is named with _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, self.path if path is None else path, headers=named)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def say(self, raw: bytes) -> bytes:
        """Send bytes as they are; the beginning of what comes back, nothing where the connection was ended."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(raw)
            try:
                return connection.recv(4096)
            except ConnectionError:
                return b""

    @contextmanager
    def listening(self) -> Iterator[Iterator[dict[str, Any]]]:
        """The looks, one after another."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", f"{self.path}events")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        try:
            yield (json.loads(line.removeprefix(b"data: ")) for line in answer if line.startswith(b"data: "))
        finally:
            connection.close()

    def tasks(self) -> int:
        """How many tasks the server's loop has, but for the one that counts."""

        async def count() -> int:
            gc.collect()
            return len(asyncio.all_tasks()) - 1

        return asyncio.run_coroutine_threadsafe(count(), self.loop).result(30)


def open_files() -> int:
    """Of this process."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def served(root: Path) -> Iterator[Page]:
    """A page of a results directory; its server ends without a task left, or fails."""
    ready: list[Page] = []
    left: list[asyncio.Task[Any]] = []
    started, ended = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serving(partial(local.follow, root)) as page:
            ready.append(Page(page.address, asyncio.get_running_loop()))
            started.set()
            await ended.wait()
        left.extend(asyncio.all_tasks() - {asyncio.current_task()})

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield ready[0]
    finally:
        ready[0].loop.call_soon_threadsafe(ended.set)
        thread.join(30)
    assert not thread.is_alive()
    assert left == []
