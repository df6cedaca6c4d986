"""A sweep over two nodes, of which one makes every trial fail: an engine that only pretends where its trials run."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import torch

from orchestrator.engine import AttemptFailed, Failure, FailureKind, RunTrial, Started, Work
from orchestrator.engine.attempt import attempt
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.failures import STREAK
from orchestrator.sweep.run import SweepRequest, run_sweep
from trainables.context import SingleContext
from trainables.process_state.watching import ProcessState
from trainables.records import EpochRow

GRID = """\
name: sweep
axes: {dataset: [digits], model: [{name: mlp, hidden: [4]}], optimizer: [adam], regularizer: [none]}
seeds: 8
protocol: {epochs: 1}
wandb: {mode: disabled}
"""


def context(report: Callable[[EpochRow], bool]) -> SingleContext:
    return SingleContext(torch.device("cpu"), report, None)


class TwoNodes:
    """Takes trials in turn on `bad`, where they break, and on `good`, unless it is told not to use one any more."""

    kind = FailureKind.ERROR

    def __init__(self, run_trial: RunTrial) -> None:
        self._run_trial = run_trial

    def run(self, work: Work) -> None:
        state = ProcessState()
        while shapes := work.shapes():
            taken = 0
            for node in ("bad", "good"):
                trial_task = None if node in work.bad_nodes() else work.take(shapes[0], node)
                if trial_task is None:
                    continue
                taken += 1
                if node == "good":
                    attempt(trial_task, node, self._run_trial, context, work.on_event, state)
                    continue
                now = datetime.now(UTC)
                work.on_event(Started(trial_task.trial_id, trial_task.attempt, node, node, 1, now))
                work.on_event(
                    AttemptFailed(trial_task.trial_id, trial_task.attempt, Failure(self.kind, "no CUDA here"), now, "")
                )
            assert taken, "trials wait, and no node takes one"
            work.tick()

    def close(self) -> None:
        return


@pytest.mark.parametrize("kind", [FailureKind.ERROR, FailureKind.DATA, FailureKind.WORKER_LOST])
def test_a_bad_node_is_drained_and_its_trials_are_completed_elsewhere(
    kind: FailureKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("orchestrator.engine.inline.InlineEngine", TwoNodes)
    monkeypatch.setattr(TwoNodes, "kind", kind)
    Path("grid.yaml").write_text(GRID)
    said: list[str] = []

    class Listening(SilentProgress):
        def note(self, text: str) -> None:
            said.append(text)

    summary = run_sweep(SweepRequest(Path("grid.yaml"), engine="inline"), Listening())
    assert (summary.counts, summary.succeeded) == ({"completed": 8}, True)
    attempts = pd.read_parquet("results/sweep/attempts.parquet")
    assert (attempts["slot"] == "bad").sum() == STREAK
    assert attempts[attempts["slot"] == "bad"]["trial_id"].nunique() == STREAK
    assert (attempts["status"] == "completed").sum() == 8
    assert sum("bad is no longer used: 3 trials in a row failed there" in text for text in said) == 1
