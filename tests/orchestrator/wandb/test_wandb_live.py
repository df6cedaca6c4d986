"""Runs of trials that train, written by the real SDK to a W&B-compatible server: each row once, whatever happens."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.wandb.live import MAX_OPEN
from orchestrator.wandb.runs import running_trials
from tests.marks import slow_but
from tests.orchestrator.sample import BEGIN, CNN_SGD, MLP_SGD, Cell, complete, epochs, fail, plan, start
from tests.orchestrator.wandb.wandb_session import Following, folders, write
from tests.wandb_server import WandbServer
from tests.wandb_server.account import HISTORY, SUMMARY, Run


def _longer(*values: object) -> list[Any]:
    """`make chaos-tests` runs them too."""
    return [pytest.param(value, marks=pytest.mark.chaos) for value in values]


class Sweep:
    """A sweep of one trial, which trains as the test says."""

    def __init__(self, root: Path, cells: tuple[Cell, ...] = (MLP_SGD,)) -> None:
        self.paths = ResultsPaths(root)
        self.journal = Journal.create_or_open(self.paths.journal)
        plan(self.journal, cells, seeds=(0,))
        self.journal.commit()

    def train(self, *accuracies: float, attempt: int = 1, cell: Cell = MLP_SGD) -> None:
        """An attempt that has come so far."""
        start(self.journal, cell, 0, attempt)
        self.go_on(*accuracies, attempt=attempt, cell=cell)

    def go_on(self, *accuracies: float, attempt: int = 1, cell: Cell = MLP_SGD) -> None:
        epochs(self.journal, cell, 0, accuracies, attempt)
        self.journal.commit()

    def end(self, *, attempt: int = 1) -> None:
        """It was completed: three epochs."""
        complete(self.journal, MLP_SGD, 0, accuracy=0.9, attempt=attempt, anew=False)
        self.journal.commit()


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    made = Sweep(tmp_path / "demo")
    yield made
    made.journal.close()


def until(found: Callable[[], object], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < ends
        time.sleep(0.05)


def steps(run: Run) -> list[int]:
    return [row["_step"] for row in run.history]


def has_rows(server: WandbServer, count: int, cell: Cell = MLP_SGD) -> Callable[[], bool]:
    def look() -> bool:
        runs = [run for name, run in server.account.runs.items() if name.startswith(cell.trial_id(0))]
        return any(len(run.history) == count for run in runs)

    return look


def test_rows_are_there_while_the_trial_trains_and_the_rest_when_it_has_ended(
    server: WandbServer, sweep: Sweep
) -> None:
    writer = Following(sweep.paths, live="on")
    sweep.train(0.7)
    until(has_rows(server, 1))
    run = server.run(MLP_SGD.trial_id(0))
    assert (run.state, run.config["optimizer.lr"], "running" in run.about["tags"]) == ("running", 0.1, True)
    sweep.go_on(0.7, 0.8)
    until(has_rows(server, 2))
    sweep.end()
    done = writer.end()
    assert (done.code, done.written, done.pending) == (0, 1, 0)
    assert list(server.account.runs) == [run.name]
    assert (steps(run), run.received, run.state) == ([1, 2, 3], 3, "finished")
    assert (run.summary["test_accuracy"], run.summary["best_epoch"], run.config["device"]) == (0.9, 3, "cpu")
    assert {"completed", "mlp"} <= set(run.about["tags"])
    assert "running" not in run.about["tags"]
    assert any("/table/" in name for name in run.files)
    asked = server.requests.copy()
    assert write(sweep.paths).written == 0
    assert server.requests == asked
    assert folders(sweep.paths) == []


@pytest.mark.slow
def test_what_a_run_is_called_is_known_before_its_trial_ends(server: WandbServer, sweep: Sweep) -> None:
    """A push that knows nothing of the live writer, from a copy perhaps, finds the same run."""
    writer = Following(sweep.paths, live="on")
    sweep.train(0.7, 0.8)
    until(has_rows(server, 2))
    writer.kill()
    sweep.paths.wandb_sent.unlink()
    sweep.end()
    done = write(sweep.paths)
    assert (done.code, done.written, len(server.account.runs)) == (0, 1, 1)
    assert steps(server.run(MLP_SGD.trial_id(0))) == [1, 2, 3]


@pytest.mark.parametrize("with_service", [True, *_longer(False)])
def test_a_writer_that_is_killed_is_gone_on_with(server: WandbServer, sweep: Sweep, with_service: bool) -> None:
    first = Following(sweep.paths, live="on")
    sweep.train(0.7)
    until(has_rows(server, 1))
    first.kill(with_service=with_service)
    left = list(sweep.paths.wandb_staging.rglob("*"))
    sweep.go_on(0.7, 0.8)
    second = Following(sweep.paths, live="on")
    until(has_rows(server, 2))
    sweep.end()
    assert second.end().code == 0
    run = server.run(MLP_SGD.trial_id(0))
    assert (steps(run), run.state, run.summary["status"]) == ([1, 2, 3], "finished", "completed")
    assert left
    assert folders(sweep.paths) == []
    assert not sweep.paths.wandb_staging.exists()


@pytest.mark.parametrize(
    "fault", [pytest.param("401", marks=pytest.mark.slow), "refused", *_longer("silent", "429", "500", "lost")]
)
def test_a_fault_in_the_middle_of_a_run_loses_and_doubles_no_row(server: WandbServer, sweep: Sweep, fault: str) -> None:
    writer = Following(sweep.paths, live="on")
    sweep.train(0.7)
    until(has_rows(server, 1))
    server.refuse() if fault == "refused" else server.fail(fault)  # type: ignore[arg-type]
    sweep.go_on(0.7, 0.8)
    time.sleep(2)
    server.heal()
    server.listen() if fault == "refused" else None
    sweep.end()
    done = writer.end()
    assert (done.code, done.pending) == (0, 0) or write(sweep.paths).code == 0
    run = server.run(MLP_SGD.trial_id(0))
    assert (len(server.account.runs), steps(run), run.state) == (1, [1, 2, 3], "finished")
    assert (run.summary["status"], run.summary["test_accuracy"]) == ("completed", 0.9)


@pytest.mark.slow
def test_rows_that_w_and_b_drops_in_silence_are_noticed_while_the_trial_trains(
    server: WandbServer, sweep: Sweep
) -> None:
    """A 401 ends the SDK's stream, and nothing says so."""
    writer = Following(sweep.paths, live="on", patience=4)
    sweep.train(0.7)
    until(has_rows(server, 1))
    server.fail("401", "file_stream")
    sweep.go_on(0.7, 0.8)
    until(lambda: "1 rows of the run" in writer.log)
    server.heal()
    sweep.end()
    done = writer.end()
    assert (done.code, steps(server.run(MLP_SGD.trial_id(0)))) == (0, [1, 2, 3])


@pytest.mark.parametrize("rows", slow_but([2], [1, 2, 3]))
def test_an_attempt_that_fails_goes_on_in_its_run_and_epochs_that_run_again_are_there_once(
    server: WandbServer, sweep: Sweep, rows: int
) -> None:
    """Whether it goes on from a checkpoint or from the start. rows: that the failed attempt came to."""
    writer = Following(sweep.paths, live="on")
    sweep.train(*(0.7, 0.8, 0.9)[:rows])
    until(has_rows(server, rows))
    fail(sweep.journal, MLP_SGD, 0, status=None, anew=False)
    sweep.journal.commit()
    sweep.train(0.7, attempt=2)
    sweep.end(attempt=2)
    assert writer.end().code == 0
    run = server.run(MLP_SGD.trial_id(0))
    assert (steps(run), run.received, run.state) == ([1, 2, 3], 3, "finished")


def test_a_sweep_that_is_stopped_leaves_its_run_open_and_the_next_one_goes_on_in_it(
    server: WandbServer, sweep: Sweep
) -> None:
    first = Following(sweep.paths, live="on")
    sweep.train(0.7, 0.8)
    until(has_rows(server, 2))
    sweep.journal.cancel_running("stopped by SIGINT")
    sweep.journal.commit()
    assert first.end().code == 0
    run = server.run(MLP_SGD.trial_id(0))
    assert run.state == "preempted"
    plan(sweep.journal, (MLP_SGD,), seeds=(0,))
    second = Following(sweep.paths, live="on")
    sweep.train(0.7, 0.8, attempt=2)
    until(lambda: run.state == "running")
    sweep.end(attempt=2)
    assert second.end().code == 0
    assert (len(server.account.runs), steps(run), run.state) == (1, [1, 2, 3], "finished")


def test_a_trial_that_had_failed_and_runs_again_is_a_run_of_its_own(server: WandbServer, sweep: Sweep) -> None:
    writer = Following(sweep.paths, live="on")
    sweep.train(0.7)
    until(has_rows(server, 1))
    fail(sweep.journal, MLP_SGD, 0, anew=False)
    sweep.journal.commit()
    until(lambda: server.run(MLP_SGD.trial_id(0)).state == "failed")
    sweep.train(0.75, attempt=2)
    sweep.end(attempt=2)
    assert writer.end().code == 0
    first, second = server.account.runs.values()
    assert (first.state, steps(first), "superseded" in first.about["tags"]) == ("failed", [1], True)
    assert (second.state, steps(second)) == ("finished", [1, 2, 3])


def test_a_run_that_its_owner_has_deleted_while_it_was_live_holds_up_no_other(
    server: WandbServer, tmp_path: Path
) -> None:
    sweep = Sweep(tmp_path / "two", (MLP_SGD, CNN_SGD))
    sweep.train(0.7, cell=CNN_SGD)
    (unit,) = (trial.unit for trial in running_trials(sweep.journal, BEGIN))
    server.account.deleted.add(unit.run_id(sweep.journal.directory_id))
    writer = Following(sweep.paths, live="on")
    sweep.train(0.7)
    until(has_rows(server, 1))
    sweep.end()
    done = writer.end()
    assert (done.code, done.written) == (0, 1)
    assert f"does not take the run {CNN_SGD.trial_id(0)}" in done.log
    sweep.journal.close()


def test_short_trials_are_sent_when_they_have_ended_unless_asked_for(sweep: Sweep) -> None:
    sweep.train(0.7)  # the first of three epochs of half a second, begun in BEGIN's time
    (trial,) = running_trials(sweep.journal, BEGIN)
    assert (trial.epochs, trial.expected_seconds) == (1, pytest.approx(1.8))


@pytest.mark.slow
def test_counts_lag_behind_and_nothing_comes_of_it(server: WandbServer, sweep: Sweep) -> None:
    """W&B counts rows some seconds after they arrived: a writer that takes up a run may be told of fewer."""
    first = Following(sweep.paths, live="on")
    sweep.train(0.7, 0.8)
    until(has_rows(server, 2))
    first.kill()
    run = server.run(MLP_SGD.trial_id(0))
    del run.streams[HISTORY][1:]
    run.streams[SUMMARY] = list(run.streams[HISTORY])
    second = Following(sweep.paths, live="on")
    until(has_rows(server, 2))
    sweep.end()
    assert second.end().code == 0
    assert steps(run) == [1, 2, 3]


@pytest.mark.chaos
def test_of_more_trials_than_runs_may_be_open_the_others_are_sent_at_their_ends(
    server: WandbServer, tmp_path: Path
) -> None:
    paths, seeds = ResultsPaths(tmp_path / "many"), range(MAX_OPEN + 8)
    journal = Journal.create_or_open(paths.journal)
    plan(journal, (MLP_SGD,), seeds=tuple(seeds))
    for seed in seeds:
        start(journal, MLP_SGD, seed)
        epochs(journal, MLP_SGD, seed, (0.7,))
    journal.commit()
    writer = Following(paths, live="on")
    until(lambda: sum(len(run.history) == 1 for run in list(server.account.runs.values())) == MAX_OPEN)
    time.sleep(3)  # for another look into the journal
    assert len(server.account.runs) == MAX_OPEN
    for seed in seeds:
        complete(journal, MLP_SGD, seed, accuracy=0.9, anew=False)
    journal.commit()
    done = writer.end()
    assert (done.code, done.written, len(server.account.runs)) == (0, len(seeds), len(seeds))
    assert {(tuple(steps(run)), run.received, run.state) for run in server.account.runs.values()} == {
        ((1, 2, 3), 3, "finished")
    }
    journal.close()
