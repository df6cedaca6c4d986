"""From a failure to a decision."""

import pytest

from orchestrator.engine import Failure, FailureKind
from orchestrator.sweep.failures import LOST_NODES, LOST_WORKERS, decide


@pytest.mark.parametrize(
    ("kind", "attempts", "status"),
    [
        (FailureKind.ERROR, 1, "failed"),
        (FailureKind.DATA, 1, "failed"),
        (FailureKind.TIMED_OUT, 1, "timed_out"),
        (FailureKind.CANCELLED, 1, "cancelled"),
        (FailureKind.OUT_OF_MEMORY, 1, None),
        (FailureKind.OUT_OF_MEMORY, 2, "out_of_memory"),
        (FailureKind.NODE_LOST, LOST_WORKERS, None),
        (FailureKind.NODE_LOST, LOST_NODES, "failed"),
        (FailureKind.WORKER_LOST, 1, None),
        (FailureKind.WORKER_LOST, LOST_WORKERS - 1, None),
        (FailureKind.WORKER_LOST, LOST_WORKERS, "failed"),
        (FailureKind.POISONED, 1, None),
        (FailureKind.POISONED, LOST_WORKERS, "failed"),
    ],
)
def test_decision(kind: FailureKind, attempts: int, status: str | None) -> None:
    decision = decide(Failure(kind, "the reason"), attempts)
    assert decision.status == status
    assert decision.again is (status is None)
    assert "the reason" in decision.reason


def test_every_kind_is_decided() -> None:
    assert all(decide(Failure(kind, "why"), 1).reason for kind in FailureKind)


def test_a_retry_says_which_it_is() -> None:
    assert decide(Failure(FailureKind.WORKER_LOST, "it died"), 2).reason == "trying again (3 of 3), since it died"
    assert decide(Failure(FailureKind.WORKER_LOST, "it died"), 3).reason == "gave up after 3 attempts: it died"


def test_only_what_ran_out_of_memory_is_tried_alone() -> None:
    assert [kind for kind in FailureKind if decide(Failure(kind, "the reason"), 1).alone] == [FailureKind.OUT_OF_MEMORY]
