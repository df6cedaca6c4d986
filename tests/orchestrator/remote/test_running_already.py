"""A sweep that runs on the cluster is not submitted a second time; what others run there is none of its business."""

import pytest

from clusters.jobs import Job
from orchestrator.remote.jobs import _of_the_same_results

RUNS = Job("orch-demo-1", "demo", "/data/runs", running=True, code=None, started=1)


@pytest.mark.parametrize("results", ["/data/runs", "/data/runs/", "/data//runs", "/data/x/../runs"])
def test_the_job_that_writes_there_is_found_however_the_folder_is_written(results: str) -> None:
    assert _of_the_same_results([RUNS], results) == RUNS


def test_one_of_an_older_orch_may_write_anywhere() -> None:
    older = Job("orch-demo-1", "demo", "", running=True, code=None, started=1)
    assert _of_the_same_results([older], "/data/runs") == older


@pytest.mark.parametrize("code", [0, 1, 5, None])
def test_one_that_has_ended_is_in_nobodys_way(code: int | None) -> None:
    ended = Job("orch-demo-1", "demo", "/data/runs", running=False, code=code, started=1)
    assert _of_the_same_results([ended], "/data/runs") is None
    assert _of_the_same_results([ended, RUNS], "/data/runs") == RUNS


def test_one_that_writes_elsewhere_is_in_nobodys_way() -> None:
    assert _of_the_same_results([RUNS], "~/orch-results") is None
