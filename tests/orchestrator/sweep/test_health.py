"""A bad node beside bad trials."""

import pytest

from orchestrator.engine import FailureKind
from orchestrator.sweep.failures import REMEMBERED, STREAK, NodeHealth, _Streak


def fail(health: NodeHealth, node: str, *trials: int, kind: FailureKind = FailureKind.ERROR) -> None:
    for trial in trials:
        health.failed(node, f"trial-{trial}", kind)


def test_a_node_where_all_fails_while_others_complete_is_drained() -> None:
    health = NodeHealth()
    fail(health, "bad", *range(STREAK))
    assert health.take_bad() is None, "the trials themselves may be bad"
    health.completed("good")
    assert health.take_bad() == ("bad", ["trial-0", "trial-1", "trial-2"])
    assert (health.drained, health.take_bad()) == ({"bad"}, None)
    fail(health, "bad", 7, 8, 9)
    health.completed("good")
    assert health.take_bad() is None, "it is used no more"


def test_what_was_completed_elsewhere_before_the_streak_says_nothing() -> None:
    health = NodeHealth()
    health.completed("good")
    fail(health, "bad", *range(STREAK))
    assert health.take_bad() is None
    fail(health, "good", 3)
    assert health.take_bad() is None


def test_one_completed_trial_clears_its_node() -> None:
    health = NodeHealth()
    fail(health, "slow", 0, 1)
    health.completed("good")
    health.completed("slow")
    fail(health, "slow", 2)
    health.completed("good")
    assert health.take_bad() is None
    fail(health, "slow", 3, 4)
    assert health.take_bad() == ("slow", ["trial-2", "trial-3", "trial-4"])


def test_one_trial_that_fails_again_and_again_is_one_trial() -> None:
    health = NodeHealth()
    fail(health, "node", *[5] * 10)
    health.completed("other")
    assert health.take_bad() is None


@pytest.mark.parametrize(
    "kind", [FailureKind.TIMED_OUT, FailureKind.OUT_OF_MEMORY, FailureKind.CANCELLED, FailureKind.NODE_LOST]
)
def test_what_is_not_the_nodes_fault(kind: FailureKind) -> None:
    health = NodeHealth()
    fail(health, "node", *range(9), kind=kind)
    health.completed("other")
    assert health.take_bad() is None


def test_a_sweep_in_which_everything_fails_is_remembered_in_part() -> None:
    health = NodeHealth()
    fail(health, "node", *range(REMEMBERED + 50))
    health.completed("other")
    assert health.take_bad() == ("node", [f"trial-{number}" for number in range(REMEMBERED)])
    assert health.take_bad() is None


@pytest.mark.parametrize("nodes", [5, 500])
def test_what_ends_on_one_node_looks_at_no_other(nodes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []

    def noted(streak: _Streak, name: str) -> object:
        looked_at.append(name)
        return object.__getattribute__(streak, name)

    monkeypatch.setattr(_Streak, "__getattribute__", noted)
    health = NodeHealth()
    for node in range(nodes):
        fail(health, f"node-{node}", 2 * node, 2 * node + 1)
    looked_at.clear()
    fail(health, "node-0", 1000)
    health.completed("node-1")
    assert health.take_bad() == ("node-0", ["trial-0", "trial-1", "trial-1000"])
    assert len(looked_at) < 12
