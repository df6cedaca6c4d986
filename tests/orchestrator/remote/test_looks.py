"""Looks at a sweep elsewhere, from what a head's process prints to what a page here is told. The head is a process here."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusters.jobs import JobEnd
from clusters.spec import ClusterSpec
from orchestrator.errors import InfrastructureLost
from orchestrator.remote import looks
from orchestrator.remote.looks import follow_there, look_in, print_looks
from orchestrator.watch.feed import Feed
from tests.orchestrator.sample import write_sample


class LocalHead:
    """What `JobsCluster` does on a head, with the same code sent, as a process of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ended: list[int | None] = []
        self._process: subprocess.Popen[str] | None = None

    def submit(self, folder: Path, module: str, sweep: str) -> str:
        shutil.copytree(folder, self._folder / "job")
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=self._folder / "job",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        )
        return "orch-question-1"

    def follow(self, job_id: str, say: Callable[[str], None]) -> JobEnd:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            say(line.rstrip("\n"))
        self.ended.append(self._process.wait())
        return JobEnd(self.ended[-1], "ended")

    def stop(self, job_id: str) -> None:
        assert self._process is not None
        self._process.terminate()

    def forget(self, job_id: str) -> None:
        shutil.rmtree(self._folder / "job")


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHead:
    head = LocalHead(tmp_path)

    @contextmanager
    def reached(_: ClusterSpec) -> Iterator[LocalHead]:
        yield head

    monkeypatch.setattr(looks, "reached", reached)
    return head


def cluster(tmp_path: Path) -> ClusterSpec:
    return ClusterSpec(name="far", kind="jobs", address="http://127.0.0.1:1", results=str(tmp_path / "there"))


async def first_look(spec: ClusterSpec, name: str | None) -> dict[str, object]:
    """What a page is told first; the source has ended by then."""
    feed = Feed()
    source = asyncio.create_task(follow_there(spec, name, feed))
    with feed.page():
        await feed.opened()
        told = await feed.newer(0, 200)
    assert told is not None
    await feed.end()
    await asyncio.wait_for(source, 60)
    return dict(json.loads(told.text))


def test_a_page_here_has_what_the_head_sees_and_the_job_ends_with_it(head: LocalHead, tmp_path: Path):
    write_sample(tmp_path / "there" / "demo")
    look = asyncio.run(first_look(cluster(tmp_path), "demo"))
    assert (look["sweep"], look["state"]) == ("demo", "stopped")
    assert look["results"] == str(tmp_path / "there" / "demo")
    assert head._process is not None
    assert head._process.wait(60) == -15


def test_what_the_head_cannot_find_is_said(head: LocalHead, tmp_path: Path):
    look = asyncio.run(first_look(cluster(tmp_path), None))
    assert look["state"] == "unreadable"
    assert str(look["message"]) == f"no sweep in {tmp_path}/there"


def test_a_head_that_cannot_be_reached_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    @contextmanager
    def reached(_: ClusterSpec) -> Iterator[LocalHead]:
        raise InfrastructureLost("nothing listens there")
        yield

    monkeypatch.setattr(looks, "reached", reached)
    look = asyncio.run(first_look(cluster(tmp_path), "demo"))
    assert (look["state"], look["message"]) == ("unreadable", "nothing listens there")


def test_a_job_does_not_look_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(looks, "LASTING", 0.5)
    said: list[str] = []
    print_looks(write_sample(tmp_path / "demo").root, said.append)
    (line,) = said
    assert json.loads(look_in(line) or "")["sweep"] == "demo"


@pytest.mark.parametrize(
    "line", ["", "orch-look: ", "orch-look: x", "orch-look: eJw=", "orch-look: AAAA", "orch-answer: e30="]
)
def test_a_line_that_is_no_look_is_another_line(line: str):
    assert look_in(line) is None
