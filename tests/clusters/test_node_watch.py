"""Who else uses a cluster, in the words that a sweep which waits has for them."""

from typing import Any

import pytest

from clusters import node_watch


def job(number: int, command: str, *, dead: bool = False) -> dict[str, Any]:
    return {
        "JobID": f"{number:08x}",
        "DriverIPAddress": "10.0.0.1",
        "DriverPid": 100 + number,
        "StartTime": 1_700_000_000_000,
        "IsDead": dead,
        "Entrypoint": command,
    }


def actor(number: int, kind: str, *, pid: int = 7, state: str = "ALIVE") -> dict[str, Any]:
    return {"JobID": f"{number:08x}", "Pid": pid, "State": state, "ActorClassName": kind}


def test_another_user_is_named_and_neither_this_sweep_nor_ray_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [
        job(1, "python other.py"),
        job(2, 'ray::DashboardAgent "" "" ""'),
        job(3, "python -m orchestrator.cli.head"),
    ]
    actors = {
        "a": actor(1, "Holder"),
        "b": actor(1, "Holder"),
        "c": actor(2, "JobSupervisor"),
        "d": actor(3, "SlotProcess"),
        "e": actor(3, "SlotProcess", pid=0, state="PENDING_CREATION"),
    }

    class State:
        def actor_table(self, _: None) -> dict[str, Any]:
            return actors

        def placement_group_table(self) -> dict[str, Any]:
            return {}

        def job_table(self) -> list[dict[str, Any]]:
            return jobs

    class Ray:
        def get_runtime_context(self) -> "Ray":
            return self

        def get_job_id(self) -> str:
            return f"{3:08x}"

        def available_resources(self) -> dict[str, float]:
            return {}

        def cluster_resources(self) -> dict[str, float]:
            return {"CPU": 4.0}

    monkeypatch.setattr(node_watch, "state", State())
    monkeypatch.setattr(node_watch, "ray", Ray())
    usage = node_watch.usage_now()
    assert usage.holders == (
        "job 00000001 (`python other.py`, process 101 on 10.0.0.1, since 2023-11-14 22:13 UTC): 2 actors (2 Holder)",
    )
    assert (usage.free_cpus, usage.cpus, usage.waiting) == (0.0, 4.0, 1)
