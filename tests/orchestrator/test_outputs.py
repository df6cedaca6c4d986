"""A standard stream of every kind that loses what is written to it, or keeps its writer waiting."""

import os
import pty
import threading
from collections.abc import Iterator
from contextlib import suppress
from errno import EBADF, EIO, ENOSPC
from pathlib import Path

import pytest

from orchestrator.outputs import Outlet

pytestmark = pytest.mark.timeout(60)
MUCH = 200_000
"""Bytes: more than a pipe or a terminal holds for its reader."""


@pytest.fixture(params=["pipe", "pipe that does not wait", "terminal"])
def unread(request: pytest.FixtureRequest) -> Iterator[int]:
    """The writing end of what nobody reads from."""
    ends = pty.openpty() if request.param == "terminal" else os.pipe()
    if request.param == "pipe that does not wait":
        os.set_blocking(ends[1], False)
    yield ends[1]
    for end in ends:
        os.close(end)


def test_nobody_waits_for_a_reader_that_takes_nothing(unread: int) -> None:
    outlet = Outlet(unread, patience=0.2)
    for _ in range(MUCH // 100):
        assert outlet.write(b"x" * 99 + b"\n") == 100
    assert isinstance(outlet.lost, TimeoutError)
    assert outlet.missed is outlet.lost


def test_a_reader_that_goes_on_reading_is_written_to_again() -> None:
    reading, writing = os.pipe()
    outlet = Outlet(writing, patience=0.1)
    outlet.write(b"x" * MUCH)
    assert outlet.lost is not None
    os.set_blocking(reading, False)
    with suppress(BlockingIOError):
        while os.read(reading, MUCH):
            pass
    outlet.write(b"heard\n")
    assert os.read(reading, MUCH) == b"heard\n"
    os.close(reading)
    os.close(writing)


def test_what_was_asked_for_waits_for_its_reader() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # as another program that shares it may have made it
    read = bytearray()

    def take() -> None:
        while len(read) < MUCH:
            read.extend(os.read(reading, 5000))

    reader = threading.Thread(target=take)
    reader.start()
    outlet = Outlet(writing, patience=None)
    outlet.write(bytes(range(200)) * (MUCH // 200))
    reader.join()
    assert bytes(read) == bytes(range(200)) * (MUCH // 200)
    assert outlet.missed is None
    os.close(reading)
    os.close(writing)


def test_a_reader_who_has_gone_had_seen_enough() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    outlet = Outlet(writing, patience=None)
    assert outlet.write(b"words") == 5
    assert isinstance(outlet.lost, BrokenPipeError)
    assert outlet.missed is None
    os.close(writing)


def test_why_something_was_missed(tmp_path: Path) -> None:
    end, terminal = pty.openpty()
    os.close(end)
    with Path("/dev/full").open("wb") as full, Path("/dev/null").open("rb") as unwritable:
        kinds = {terminal: EIO, full.fileno(): ENOSPC, unwritable.fileno(): EBADF}
        for descriptor, number in kinds.items():
            outlet = Outlet(descriptor, patience=None)
            assert outlet.write(b"words") == 5
            assert outlet.missed is not None
            assert outlet.missed.errno == number
    with (tmp_path / "file").open("wb") as file:
        closed = Outlet(file.fileno(), patience=None, closed=True)
        closed.write(b"words")
        assert closed.missed is not None
    os.close(terminal)
