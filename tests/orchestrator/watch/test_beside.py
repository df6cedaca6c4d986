"""`orch sweep --watch`, as a user types it: its page is up while the sweep runs, and gone with it however that ends."""

import http.client
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import SplitResult, urlsplit

import psutil
import pytest

from tests.orchestrator.processes import PATIENCE, counts, family, left_of, piped, wait_until, write_grid

SWEEP = ("-m", "orchestrator", "sweep", "grid.yaml", "--engine", "inline", "--watch")
LONG = 100_000
"""Epochs that nobody waits for."""


def watching(folder: Path, epochs: int, *options: str) -> tuple[subprocess.Popen[str], SplitResult, list[str]]:
    """The sweep, where its page is, and the lines that it says on standard error, as they come."""
    grid = write_grid(folder, (0, 1))
    grid.write_text(grid.read_text().replace("epochs: 1}", f"epochs: {epochs}}}"))
    process = piped(folder, *SWEEP, *options)
    lines: list[str] = []
    heard: Queue[str] = Queue()

    def hear() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line.rstrip())
            if line.startswith("watch: http"):
                heard.put(line.removeprefix("watch: ").strip())

    threading.Thread(target=hear, daemon=True).start()
    return process, urlsplit(heard.get(timeout=PATIENCE)), lines


def asked(address: SplitResult, path: str = "") -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=PATIENCE)
    connection.request("GET", f"{address.path}{path}")
    return connection, connection.getresponse()


def looks(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """What an open page is told, until its stream ends."""
    yield from (json.loads(line.removeprefix(b"data: ")) for line in answer if line.startswith(b"data: "))


def pages(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return [child for child in family(process) if child.status() != psutil.STATUS_ZOMBIE and "watch" in child.cmdline()]


def assert_gone(page: list[psutil.Process], address: SplitResult) -> None:
    assert left_of(page) == []
    with pytest.raises(ConnectionError):
        asked(address)


def busy(process: subprocess.Popen[str], folder: Path) -> list[psutil.Process]:
    """Wait until the sweep trains. The process of its page."""
    wait_until("a trial runs", lambda: counts(folder / "results" / "sweep")["running"] == 1, process)
    (page,) = pages(process)
    return [page]


def test_the_page_is_up_while_the_sweep_runs_and_ctrl_c_ends_both(tmp_path: Path) -> None:
    process, address, lines = watching(tmp_path, LONG)
    page = busy(process, tmp_path)
    connection, answer = asked(address)
    with closing(connection):
        assert answer.status == 200 and b"<html" in answer.read()
    connection, answer = asked(address, "events")
    with closing(connection):
        told = looks(answer)
        first = next(look for look in told if look["slots"] and look["slots"][0]["epoch"])
        assert first["state"] == "running" and first["counts"]["planned"] == 2
        later = next(look for look in told if look["slots"][0]["epoch"] > first["slots"][0]["epoch"])
        assert later["curves"][0]["grows"]
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does with Ctrl-C
        *_, last = told
    assert process.wait(PATIENCE) == 130, lines
    assert last["state"] == "stopped", "the open page is told how the sweep ended"
    assert lines[-1].startswith("stopped by SIGINT; everything finished is kept.")
    assert not [line for line in lines if "Traceback" in line]
    assert_gone(page, address)


def test_it_ends_with_a_sweep_that_is_done_and_is_told_to_who_wants_quiet(tmp_path: Path) -> None:
    process, address, lines = watching(tmp_path, 150, "--quiet")
    page = pages(process)
    connection, answer = asked(address, "events")
    with closing(connection):
        *_, last = looks(answer)
    assert process.wait(PATIENCE) == 0, lines
    assert last["state"] == "ended" and last["counts"]["done"] == 2
    assert len(lines) == 1, "the address and nothing else"
    assert_gone(page, address)


def test_a_sweep_that_is_killed_leaves_no_page(tmp_path: Path) -> None:
    process, address, _ = watching(tmp_path, LONG)
    page = busy(process, tmp_path)
    process.kill()
    assert process.wait(PATIENCE) == -signal.SIGKILL
    assert_gone(page, address)


def test_a_page_that_is_killed_leaves_the_sweep_alone(tmp_path: Path) -> None:
    process, _, lines = watching(tmp_path, 150)
    (page,) = busy(process, tmp_path)
    page.kill()
    assert process.wait(PATIENCE) == 0, lines
    assert counts(tmp_path / "results" / "sweep") == {"completed": 2}
