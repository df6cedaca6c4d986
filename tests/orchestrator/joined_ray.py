"""A Ray of two raylets that somebody else has started, and what leads to it, for tests that join it or send it jobs."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.orchestrator.processes import ORCH, PATIENCE, ROOT, environment

MACHINES = ROOT / "tests" / "clusters" / "machines.py"


@dataclass(frozen=True)
class JoinedRay:
    """One CPU on each of two machines."""

    token: Path
    gcs: int
    dashboard: int

    def attach(self) -> str:
        """A cluster file of that kind."""
        return f"address: 127.0.0.1:{self.gcs}\ntoken_file: {self.token}\n"

    def jobs(self, results: Path) -> str:
        """The same of kind jobs. results: the folder of the head in which sweeps have theirs."""
        address = f"http://127.0.0.1:{self.dashboard}"
        return (
            f"name: far\naddress: {address}\nresults: {results}\ntoken_file: {self.token}\npython: {sys.executable}\n"
        )


@contextmanager
def two_machines() -> Iterator[JoinedRay]:
    """Start it, and end it."""
    # an agent of Ray may still write there for a moment
    with TemporaryDirectory(prefix="orch-m-", dir="/tmp", ignore_cleanup_errors=True) as short:
        folder = Path(short)
        (folder / "token").touch(mode=0o600)
        (folder / "token").write_text(secrets.token_hex(32))
        machines = subprocess.Popen(
            [sys.executable, MACHINES, folder, "2"], stdin=subprocess.PIPE, env=environment(), cwd=folder
        )
        try:
            ends = time.monotonic() + PATIENCE
            while not (folder / "ready").exists():
                assert machines.poll() is None and time.monotonic() < ends, "the cluster does not come up"
                time.sleep(0.2)
            yield JoinedRay(folder / "token", **json.loads((folder / "ready").read_text()))
        finally:
            machines.communicate()


def variables(folder: Path) -> dict[str, str]:
    """The environment of a command in this folder, whose home and cache are its own."""
    return environment() | {"HOME": str(folder), "ORCH_CACHE": str(folder / "cache")}


def orch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command, to its end."""
    return subprocess.run(
        [ORCH, *arguments],
        cwd=folder,
        env=variables(folder),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
