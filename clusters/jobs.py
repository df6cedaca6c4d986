"""Ray Jobs: submits to a cluster that this machine is no part of, and follows what was submitted."""

import asyncio
import logging
import shlex
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Final
from urllib.parse import urlsplit

from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from clusters.errors import ClusterLost, ClusterUnreachable, first_line
from clusters.spec import ClusterSpec

KNOCK_SECONDS: Final = 5.0
"""In which the dashboard accepts a connection."""
SILENCE_SECONDS: Final = 60.0
"""A cluster that cannot be reached for so long is lost to us; its jobs go on."""
LOOK_SECONDS: Final = 0.3
"""Between two looks at a job's state."""

for _module in ("dashboard.modules.dashboard_sdk", "dashboard.modules.job.sdk", "_private.runtime_env.packaging"):
    logging.getLogger(f"ray.{_module}").setLevel(logging.WARNING)  # they tell of each package and connection


@dataclass(frozen=True, slots=True)
class Job:
    """A job of ours."""

    job_id: str
    sweep: str
    """Its sweep's name; empty for a question."""
    results: str
    """The head's folder of results that it was told; empty where an older orch has submitted it."""
    running: bool
    code: int | None
    """Of its process, once that has ended."""
    started: int
    """Milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended."""

    code: int | None
    """Of its process; None where it has none: it never began, or was killed."""
    message: str


class JobsCluster:
    """A connection to the jobs of a cluster. Raises ClusterUnreachable, and ClusterLost once it had answered."""

    def __init__(self, spec: ClusterSpec) -> None:
        self._spec = spec
        self._address = spec.address.rstrip("/")
        _knock(self._address)
        try:
            self._client = JobSubmissionClient(self._address)
        except Exception as error:  # requests', Ray's own and RuntimeError, by version
            raise ClusterUnreachable(f"{self._address} refuses us: {first_line(error)}; check the token") from error

    def submit(self, folder: Path, module: str, sweep: str) -> str:
        """Run a module of the folder, which travels, on the head. The job's id."""
        kind = f"orch-{sweep}-" if sweep else "orch-question-"
        job_id = f"{kind}{token_hex(4)}"
        try:
            return self._client.submit_job(
                submission_id=job_id,
                entrypoint=shlex.join([self._spec.python, "-m", module]),
                runtime_env={"working_dir": str(folder)},
                metadata={"orch_sweep": sweep, "orch_results": self._spec.results},
            )
        except Exception as error:
            raise ClusterLost(f"{self._address} did not take the job: {first_line(error)}") from error

    def follow(self, job_id: str, say: Callable[[str], None]) -> JobEnd:
        """Hand on each line that the job prints, until it ends."""
        seen = 0
        heard = time.monotonic()
        while True:
            try:
                seen = asyncio.run(self._tail(job_id, seen, say))
                if (end := self._end(job_id)) is not None:
                    return end
                heard = time.monotonic()
            except Exception as error:  # aiohttp's, requests' and Ray's own
                if time.monotonic() - heard > SILENCE_SECONDS:
                    raise ClusterLost(
                        f"{self._address} has not answered for {SILENCE_SECONDS:.0f} s: {error}"
                    ) from error
            time.sleep(LOOK_SECONDS)

    def output(self, job_id: str) -> tuple[JobEnd, str]:
        """Wait for a job's end; how it ended, and what it printed."""
        with self._answering():
            while (end := self._end(job_id)) is None:
                time.sleep(LOOK_SECONDS)
            return end, self._client.get_job_logs(job_id)

    def log(self, job_id: str) -> str:
        """Return what a job has printed so far."""
        with self._answering():
            return self._client.get_job_logs(job_id)

    def jobs(self, sweep: str) -> list[Job]:
        """The jobs of a sweep, of all for an empty name, the latest first."""
        with self._answering():
            known = self._client.list_jobs()
        found = [_job(job) for job in known if job.submission_id and _sweep_of(job)]
        found = [job for job in found if sweep in ("", job.sweep)]
        return sorted(found, key=lambda job: -job.started)

    def stop(self, job_id: str) -> None:
        """End a job's process."""
        with self._answering():
            self._client.stop_job(job_id)

    def forget(self, job_id: str) -> None:
        """Take a job that has ended from the cluster's list."""
        self._client.delete_job(job_id)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise ClusterLost(f"{self._address} no longer answers: {first_line(error)}") from error

    def _end(self, job_id: str) -> JobEnd | None:
        details: Any = self._client.get_job_info(job_id)
        if not details.status.is_terminal():
            return None
        code = 0 if details.status is JobStatus.SUCCEEDED else details.driver_exit_code
        return JobEnd(code, first_line(details.message or ""))

    async def _tail(self, job_id: str, seen: int, say: Callable[[str], None]) -> int:
        """Hand on the lines after the first `seen`; how many there are."""
        count, rest = 0, ""
        async for part in self._client.tail_job_logs(job_id):
            *lines, rest = (rest + part).split("\n")
            for line in lines:
                count += 1
                if count > seen:
                    say(line)
        return max(count, seen)


def _sweep_of(job: JobDetails) -> str:
    return str((job.metadata or {}).get("orch_sweep", ""))


def _job(job: JobDetails) -> Job:
    return Job(
        job_id=job.submission_id or "",
        sweep=_sweep_of(job),
        results=str((job.metadata or {}).get("orch_results", "")),
        running=not job.status.is_terminal(),
        code=job.driver_exit_code,
        started=job.start_time or 0,
    )


def _knock(address: str) -> None:
    parts = urlsplit(address)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=KNOCK_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ClusterUnreachable(
            f"nothing listens at {address}: {error}; is the tunnel up (ssh -N -L 8265:127.0.0.1:8265 HEAD), and does the"
            " head run with its dashboard?"
        ) from error
