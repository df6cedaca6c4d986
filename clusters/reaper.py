"""Ends a local Ray whose sweep was killed: most of its processes notice, but its agents only after a minute.

It is a small process beside the sweep, this file run as a program, and waits until the sweep dismisses it or is gone.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psutil

_MARK: Final = "ORCH_RAY_FOLDER"
"""A variable that all processes of a Ray inherit."""
_DISMISSED: Final = b"dismissed"
_LOOKS: Final = 20
_LOOK_SECONDS: Final = 0.25


class Reaper:
    """Lives as long as the Ray whose temporary folder it is given."""

    def __init__(self, folder: str, lock: int) -> None:
        """lock: the descriptor that holds the folder's lock, which the reaper holds on to. Raises OSError."""
        from clusters.signals import (
            ENDING,
            children_deaf_to,  # the program that this file is too finds no such package
        )

        self._folder = folder
        with children_deaf_to(ENDING):
            self._process = subprocess.Popen(  # this file, by this interpreter  # noqa: S603
                [
                    sys.executable,
                    "-P",
                    __file__,
                    folder,
                ],  # -P: modules of this room have names of the standard library's
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # it outlives a signal to the sweep's group
                pass_fds=(lock,),
            )

    @contextmanager
    def marking(self) -> Iterator[None]:
        """What is started within is its own to end."""
        os.environ[_MARK] = self._folder
        try:
            yield
        finally:
            del os.environ[_MARK]

    def dismiss(self) -> None:
        """There is nothing left to end."""
        with suppress(BrokenPipeError):
            self._process.communicate(_DISMISSED)


def _reap(folder: str) -> None:
    if sys.stdin.buffer.read() == _DISMISSED:
        return
    for _ in range(_LOOKS):  # what is being ended may still start others
        if not (left := [process for process in psutil.process_iter() if _is_of(process, folder)]):
            break
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(_LOOK_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


def _is_of(process: psutil.Process, folder: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        variables = process.environ()
        return variables.get(_MARK) == folder or (not variables and _holds_files_of(process, folder))
    except (psutil.Error, OSError):
        return False


def _holds_files_of(process: psutil.Process, folder: str) -> bool:
    """How Ray's agents are told: the titles that they give themselves are written over their environment."""
    return any(file.path.startswith(f"{folder}/") for file in process.open_files())


if __name__ == "__main__":
    _reap(sys.argv[1])
