"""Looks at a sweep on a cluster: one job on its head makes them, and prints each for whoever follows its log."""

import asyncio
import base64
import json
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clusters.errors import ClusterError
from clusters.spec import ClusterSpec
from orchestrator.errors import InfrastructureLost, OrchError
from orchestrator.remote.jobs import reached, request_of, send
from orchestrator.remote.request import LONGEST, LOOKS, RESULTS, answer_in
from orchestrator.watch.feed import Feed
from orchestrator.watch.local import Looks
from orchestrator.watch.look import Look, as_json

if TYPE_CHECKING:
    from clusters.jobs import JobsCluster

LASTING: Final = 600.0
"""Seconds of a job, after which another takes over: one whose laptop was closed does not look for ever."""
AGAIN: Final = 5.0
"""Seconds after which a head is asked again that could not tell."""
_MARK: Final = "orch-look: "
_SHOWN: Final = 500
"""Characters of a line that is no look."""


def print_looks(results: Path, say: Callable[[str], None]) -> None:
    """On the head: say each look as a line, for `LASTING` seconds."""
    looks, until = Looks(results), time.monotonic() + LASTING
    while time.monotonic() < until:
        if (text := looks.next()) is not None:
            say(_MARK + base64.b64encode(zlib.compress(text.encode())).decode())
        time.sleep(looks.pause)


def look_in(line: str) -> str | None:
    """The look that a line of the log holds, as JSON in one line; None where it is another line, whoever wrote it."""
    if not line.startswith(_MARK):
        return None
    try:
        unpacked = zlib.decompressobj()
        text = unpacked.decompress(base64.b64decode(line.removeprefix(_MARK), validate=True), LONGEST)
        return json.dumps(json.loads(text)) if unpacked.eof else None
    except (ValueError, RecursionError, zlib.error):
        return None


async def follow_there(cluster: ClusterSpec, name: str | None, feed: Feed) -> None:
    """Tell the feed what stands in a sweep's results on a cluster, until it is asked to end. name: None, the only one's."""
    while not feed.ending.is_set():
        await feed.wanted()
        if feed.ending.is_set():
            return
        if (wrong := await _Job(cluster, name, feed).run()) is not None:
            where = f"{cluster.name}: {name or cluster.results}"
            look = Look(name or cluster.name, where, datetime.now(UTC), "unreadable", wrong)
            await feed.tell(as_json(look))
            await feed.pause(AGAIN)


class _Job:
    """One job on the head, followed in a thread: what is asked of a cluster may wait for long."""

    def __init__(self, cluster: ClusterSpec, name: str | None, feed: Feed) -> None:
        self._cluster, self._name, self._feed = cluster, name, feed
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._stop: Callable[[], None] | None = None
        self._wrong: str | None = None
        self._said = ""

    async def run(self) -> str | None:
        """Follow it to its end, or until the feed ends; why it could not tell, or None."""
        threading.Thread(target=self._follow, name="looks", daemon=True).start()
        ending = asyncio.create_task(self._feed.ending.wait())
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait([ending, ended], return_when=asyncio.FIRST_COMPLETED)
        for task in (ending, ended):
            task.cancel()
        if not self._ended.is_set() and self._stop is not None:
            await asyncio.to_thread(self._stop)
        return self._wrong

    def _follow(self) -> None:
        try:
            request = request_of(self._cluster, [LOOKS, RESULTS], self._name, live=True)
            with reached(self._cluster) as jobs:
                job_id = send(jobs, self._cluster, request, None, "")
                self._stop = lambda: _end(jobs, job_id)
                if self._feed.ending.is_set():
                    _end(jobs, job_id)
                end = jobs.follow(job_id, self._hear)
                jobs.forget(job_id)
            if end.code and self._wrong is None:
                self._wrong = f"{self._cluster.name}: its head could not answer: {end.message}"
        except OrchError as error:
            self._wrong = str(error)
        finally:
            with suppress(RuntimeError):  # nobody waits any more
                self._loop.call_soon_threadsafe(self._ended.set)

    def _hear(self, line: str) -> None:
        if (text := look_in(line)) is not None:
            with suppress(RuntimeError):
                asyncio.run_coroutine_threadsafe(self._feed.tell(text), self._loop)
        elif (answer := answer_in(line)) is None:
            self._said = line
        elif answer.code:  # what was wrong it has said before, as it does at the time
            self._wrong = self._said[:_SHOWN] or f"{self._cluster.name}: its head ended with {answer.code}"


def _end(jobs: "JobsCluster", job_id: str) -> None:
    """What cannot be reached any more ends by itself."""
    with suppress(ClusterError, InfrastructureLost):
        jobs.stop(job_id)
