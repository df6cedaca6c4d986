"""Deployments in a sweep: what waits for what, what is kept, and what becomes of variants whose parents come to nothing."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.cli import run as cli_run
from orchestrator.errors import GridError, UserError
from orchestrator.plan.extra_seeds import AddedSeeds
from orchestrator.plan.progress import SilentProgress
from orchestrator.store.journal import Journal
from orchestrator.sweep.run import SweepRequest, run_sweep
from orchestrator.sweep.summary import SweepSummary
from tests.orchestrator.sweeper import good_result
from tests.trainables.epoch_rows import epoch_row
from trainables.context import Context
from trainables.errors import CannotDeploy
from trainables.records import TrialResult
from trainables.spec import TrialTask

GRID = """\
name: sweep
axes:
  dataset: digits
  model: [{name: mlp, hidden: 8}]
  optimizer: %s
%s
seeds: %s
protocol: {epochs: 1%s}
wandb: {mode: disabled}
%s
"""
INT8 = "  deployment: int8"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def written(
        deployment: str = INT8, seeds: object = 2, protocol: str = "", more: str = "", optimizer: str = "sgd"
    ) -> Path:
        grid = tmp_path / "grid.yaml"
        grid.write_text(GRID % (optimizer, deployment, seeds, protocol, more))
        return grid

    return written


class Ran:
    """Executes trials in no time, notes which, and has them end as `ends` says."""

    def __init__(self, **ends: str) -> None:
        self.tasks: list[TrialTask] = []
        self.ends = ends
        """Of trials that train by `seedN`, of variants by `variantN`."""

    def __call__(self, task: TrialTask, context: Context) -> TrialResult:
        self.tasks.append(task)
        if task.parent is None:
            context.report(epoch_row(train_accuracy=0.5, accuracy=0.5))
        if task.parent is not None:
            assert task.parent.weights.read_text() == f"weights of {task.parent.trial_id}"
        elif task.weights is not None:
            task.weights.parent.mkdir(exist_ok=True)
            task.weights.write_text(f"weights of {task.trial_id}")
        match self.ends.get(f"{'seed' if task.parent is None else 'variant'}{task.spec.seed}"):
            case "raises":
                raise ValueError("it is not liked")
            case "cannot":
                raise CannotDeploy("there is nothing to make of it")
            case "diverges":
                return replace(good_result(context), status="diverged", reason="the loss is nan")
        return good_result(context)

    @property
    def trained(self) -> int:
        return sum(task.parent is None for task in self.tasks)

    @property
    def made(self) -> int:
        return len(self.tasks) - self.trained


def run(grid: Path, ran: Ran, **options: object) -> SweepSummary:
    request = SweepRequest(grid=grid, engine="inline", run_trial=ran, **options)  # type: ignore[arg-type]
    return run_sweep(request, SilentProgress())


def trials() -> pd.DataFrame:
    return pd.read_parquet("results/sweep/trials.parquet").set_index(["deployment", "seed"])


def test_a_grid_of_deployments_alone_trains_their_nets_first_and_each_once(write: Write) -> None:
    ran = Ran()
    summary = run(write("  deployment: [int8, {name: prune, amount: [0.5, 0.9]}]", seeds=3), ran)
    assert summary.succeeded and summary.ran == 12
    assert (ran.trained, ran.made) == (3, 9)
    begun: set[str] = set()
    for task in ran.tasks:
        assert task.parent is None or task.parent.trial_id in begun, "a variant begins when its net is there"
        begun.add(task.trial_id)
    rows = trials()
    assert set(rows.index.get_level_values(0)) == {"none", "int8", "prune(amount=0.5)", "prune(amount=0.9)"}
    for (deployment, seed), row in rows.iterrows():
        if deployment == "none":
            assert pd.isna(row["parent_id"])
        else:
            assert row["parent_id"] == rows.loc[("none", seed), "trial_id"]
    assert json.loads(rows.loc[("prune(amount=0.9)", 0), "deployment_config"]) == {
        **{"name": "prune", "amount": 0.9, "structure": "none", "scope": "global", "epochs": 1}
    }


def test_the_same_command_again_runs_nothing_and_a_later_deployment_trains_nothing(write: Write) -> None:
    run(write(), Ran())
    again, later = Ran(), Ran()
    assert run(write(), again).ran == 0 and not again.tasks
    grid = write("  deployment: [none, int8, {name: prune, amount: 0.5}]")
    assert run(grid, later).ran == 2 and (later.trained, later.made) == (0, 2)
    assert set(trials()["attempts"]) == {1}


def test_ids_of_trials_that_train_are_those_of_a_grid_without_deployments(write: Write) -> None:
    run(write(""), Ran())
    without = set(trials()["trial_id"])
    assert {task.trial_id for task in _planned(write())} >= without


def _planned(grid: Path) -> list[TrialTask]:
    ran = Ran()
    run(grid, ran, results=Path("elsewhere"))
    return ran.tasks


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [("raises", "failed", "failed: there is no net"), ("diverges", "diverged", "diverged: there is no net")],
)
def test_what_waits_for_a_net_that_does_not_come_is_skipped_with_the_parents_id(
    write: Write, end: str, status: str, said: str
) -> None:
    summary = run(write(), Ran(seed1=end))
    rows = trials()
    assert rows.loc[("none", 1), "status"] == status
    assert rows.loc[("int8", 1), "status"] == "skipped"
    assert rows.loc[("int8", 1), "reason"].startswith(f"its parent {rows.loc[('none', 1), 'trial_id']} {said}")
    assert rows.loc[("int8", 0), "status"] == "completed" and summary.ran == 3


def test_retried_parents_have_their_variants_made(write: Write) -> None:
    run(write(), Ran(seed1="raises"))
    still, mended = Ran(), Ran()
    assert run(write(), still).ran == 0
    assert trials().loc[("int8", 1), "status"] == "skipped"
    assert run(write(), mended, retry=True).ran == 2 and (mended.trained, mended.made) == (1, 1)
    assert set(trials()["status"]) == {"completed"}


def test_what_nothing_can_be_made_of_is_skipped_for_good(write: Write) -> None:
    run(write(), Ran(variant0="cannot"))
    row = trials().loc[("int8", 0)]
    assert (row["status"], row["reason"]) == ("skipped", "not made: there is nothing to make of it")
    again = Ran()
    assert run(write(), again).ran == 0 and not again.tasks
    assert trials().loc[("int8", 0), "reason"] == "not made: there is nothing to make of it"


def test_weights_are_kept_where_something_is_to_be_made_of_them(write: Write) -> None:
    ran = Ran()
    run(write(), ran)
    assert all((task.weights is not None) is (task.parent is None) for task in ran.tasks)
    alone = Ran()
    run(write(""), alone, results=Path("alone"))
    assert all(task.weights is None for task in alone.tasks)


def test_nets_that_were_not_kept_are_named_before_anything_runs(write: Write) -> None:
    run(write(""), Ran())
    ran = Ran()
    with pytest.raises(UserError, match=r"of 2 trials that completed earlier the weights were not kept"):
        run(write(), ran)
    assert not ran.tasks


def test_only_a_variant_brings_its_parent(write: Write) -> None:
    grid = write("  deployment: [int8, {name: prune, amount: 0.5}]")
    planned = {task.trial_id: task for task in _planned(grid)}
    wanted = next(task for task in planned.values() if task.parent is not None)
    ran = Ran()
    run(grid, ran, only=(wanted.trial_id,))
    assert wanted.parent is not None
    assert [task.trial_id for task in ran.tasks] == [wanted.parent.trial_id, wanted.trial_id]


def test_a_variant_of_a_tuned_net_has_what_its_parent_was_tuned_to(write: Write) -> None:
    tuning = "tuning: {space: {optimizer.lr: [0.1, 0.01]}, search: grid, trials: 2}"
    ran = Ran()
    run(write(more=tuning, seeds=1), ran)
    parent = next(task for task in ran.tasks if task.parent is None and task.purpose == "evaluation")
    variant = next(task for task in ran.tasks if task.parent is not None)
    assert variant.spec.optimizer == parent.spec.optimizer
    rows = trials()
    assert rows.loc[("int8", 0), "tuned"] == rows.loc[("none", 0), "tuned"] is not None
    assert run(write(more=tuning, seeds=1), Ran()).ran == 0


def test_a_seed_that_is_added_for_a_variant_is_trained_for_it(write: Write) -> None:
    run(write(seeds=1), Ran())
    variant = trials().loc[("int8", 0), "cell_id"]
    with closing(Journal.create_or_open(Path("results/sweep/journal.sqlite"))) as journal:
        AddedSeeds({variant: 3}).keep(journal)
        journal.commit()
    ran = Ran()
    assert run(write(seeds=1), ran).ran == 4 and (ran.trained, ran.made) == (2, 2)
    assert cli_run(["plan", "grid.yaml"]) == 0


def test_what_came_first_is_confirmed_with_the_nets_that_it_is_made_of(write: Write) -> None:
    grid = write("  deployment: [int8, {name: prune, amount: 0.5}]")
    run(grid, Ran())
    ran = Ran()
    assert run(grid, ran, confirm=2).succeeded
    assert ran.made >= ran.trained == 2
    fresh = pd.read_parquet("results/sweep/confirmation_trials.parquet")
    assert set(fresh["status"]) == {"completed"} and set(fresh["parent_id"].dropna()) <= set(fresh["trial_id"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"more": "zip: [[model, deployment]]"}, "deployment cannot be zipped"),
        ({"more": "tuning: {space: {deployment.amount: [0.1, 0.5]}, trials: 2}"}, "cannot tune 'deployment.amount'"),
        ({"deployment": "  deployment: {name: prune, amount: 1.0}"}, "amount"),
        ({"deployment": "  deployment: {name: prune, amount: 0}"}, "amount"),
        ({"deployment": "  deployment: int4"}, "unknown deployment 'int4'; did you mean int8?"),
        ({"deployment": "  deployment: {name: int8, kind: magic}"}, "kind"),
        (
            {"more": "overrides: [{when: {deployment: int8}, set: {protocol.epochs: 2}}]"},
            "a deployment changes nothing of the training",
        ),
    ],
)
def test_what_makes_no_sense_is_told_at_its_place(write: Write, change: dict[str, str], said: str) -> None:
    with pytest.raises(GridError, match=r"grid.yaml:\d+:\d+") as told:
        run(write(**change), Ran())
    assert said in str(told.value)


def test_where_the_nets_are_excluded_so_is_what_is_made_of_them(write: Write) -> None:
    ran = Ran()
    run(write(more="exclude: [{deployment: none}]"), ran)
    assert not ran.tasks
    assert trials().loc[("int8", 0), "reason"] == "its parent, the trained net, is excluded by exclude[0]"


def test_plan_counts_the_nets_that_are_trained_for_it(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("  deployment: [int8, {name: prune, amount: 0.5}]", seeds=4)
    assert cli_run(["plan", "grid.yaml"]) == 0
    shown = capsys.readouterr().out
    assert "12  trials" in shown and " 8  of them made of trained nets" in shown


def test_what_is_shipped_is_a_file_of_the_results_like_weights(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = write("  deployment: [int8, export]", seeds=1, protocol=", keep_weights: best")
    assert run_sweep(SweepRequest(grid=grid, engine="inline"), SilentProgress()).succeeded
    ids = trials()["trial_id"]
    exported = Path(f"results/sweep/weights/{ids[('export', 0)]}.onnx")
    assert exported.is_file() and exported.with_name(f"{ids[('int8', 0)]}.safetensors").is_file()
    assert cli_run(["verify", "results/sweep"]) == 0
    assert f"weights/{exported.name}" in capsys.readouterr().out
    exported.write_bytes(exported.read_bytes()[:-1] + b"?")
    assert cli_run(["verify", "results/sweep"]) == 4
    assert f"weights/{exported.name}" in capsys.readouterr().out


def test_real_nets_end_to_end(write: Write) -> None:
    grid = write("  deployment: [int8, {name: prune, amount: 0.9, epochs: 0}]", seeds=1)
    assert run_sweep(SweepRequest(grid=grid, engine="inline"), SilentProgress()).succeeded
    rows = trials().xs(0, level="seed")
    assert rows.loc["int8", "size_ratio"] < 0.5 and rows.loc["int8", "agreement"] > 0.9
    assert rows.loc["prune(amount=0.9,epochs=0)", "nonzero_share"] < 0.2
    assert rows.loc["none", ["size_ratio", "agreement", "speedup"]].isna().all()
    zeros = rows.loc["prune(amount=0.9,epochs=0)"]
    assert zeros["size_ratio"] == 1 and rows.loc["none", "artifact_bytes"] == zeros["artifact_bytes"]
    assert rows.loc["none", "model_bytes"] < rows.loc["none", "artifact_bytes"]
    ratio = rows.loc["int8", "packed_bytes"] / rows.loc["none", "packed_bytes"]
    assert ratio == pytest.approx(rows.loc["int8", "packed_ratio"], rel=1e-12)
    assert cli_run(["verify", "results/sweep"]) == 0
