"""Who uses a cluster that others use too, as far as Ray tells: for a sweep that waits for room."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import shorten
from typing import Any, Final

import ray
from ray._private.state import state

_LONGEST: Final = 120
"""Characters of another's command line."""


@dataclass(frozen=True, slots=True)
class Usage:
    """A moment of the cluster."""

    free_cpus: float
    cpus: float
    free_gpus: float
    gpus: float
    waiting: int
    """Processes of ours, and groups of such, that Ray has no room for now."""
    holders: tuple[str, ...]
    """Who else has a driver there, or actors, in words."""


def usage_now() -> Usage:
    """Asks the head. Raises what Ray raises."""
    own = ray.get_runtime_context().get_job_id()
    actors: list[dict[str, Any]] = list(state.actor_table(None).values())
    # Ray names a process once it has taken the room for it
    waiting = sum(
        actor["JobID"] == own and actor["State"] == "PENDING_CREATION" and not actor["Pid"] for actor in actors
    )
    groups: dict[str, dict[str, Any]] = state.placement_group_table()  # type: ignore[no-untyped-call]
    free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
    there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    jobs: list[dict[str, Any]] = state.job_table()  # type: ignore[no-untyped-call]
    return Usage(
        free_cpus=free.get("CPU", 0.0),
        cpus=there.get("CPU", 0.0),
        free_gpus=free.get("GPU", 0.0),
        gpus=there.get("GPU", 0.0),
        waiting=waiting + sum(group["state"] == "PENDING" for group in groups.values()),
        holders=tuple(_holders(own, actors, jobs)),
    )


def _holders(own: str, actors: list[dict[str, Any]], jobs: list[dict[str, Any]]) -> list[str]:
    """Those with most actors first; a job without any may run tasks, of which Ray's head keeps no list."""
    live = {job["JobID"]: job for job in jobs if not job["IsDead"] and job["JobID"] != own}
    classes: dict[str, Counter[str]] = {job_id: Counter() for job_id in live}
    for actor in actors:
        if actor["Pid"] and actor["State"] != "DEAD" and actor["JobID"] != own:
            classes.setdefault(actor["JobID"], Counter())[actor["ActorClassName"]] += 1
    order = sorted(classes, key=lambda job_id: (-classes[job_id].total(), job_id))
    return [_in_words(job_id, live.get(job_id), classes[job_id]) for job_id in order]


def _in_words(job_id: str, job: dict[str, Any] | None, classes: Counter[str]) -> str:
    names = ", ".join(f"{count} {name}" for name, count in classes.most_common(3))
    holds = f": {classes.total()} actor{'s' * (classes.total() != 1)} ({names})" if classes else ""
    if job is None:
        return f"job {job_id}, whose driver is gone{holds}"
    since = datetime.fromtimestamp(job["StartTime"] / 1000, UTC)
    driver = f"process {job['DriverPid']} on {job['DriverIPAddress']}, since {since:%Y-%m-%d %H:%M} UTC"
    return f"job {job_id} (`{shorten(job['Entrypoint'], _LONGEST, placeholder=' ...')}`, {driver}){holds}"
