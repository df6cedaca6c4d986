"""`protocol.fuse` from the grid to the tables: what is fused, which ids it has, and what one trial has of the others."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.cli import run as cli_run
from orchestrator.grid import read_grid
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import SweepRequest, run_sweep
from orchestrator.sweep.summary import SweepSummary
from trainables.regularizers.l1 import L1

GRID = """\
name: stacks
axes:
  dataset: digits
  model: [{name: mlp, hidden: 8}%s]
  optimizer: [{name: sgd, lr: [0.05, 0.1]}, {name: adam, lr: 0.01}]
  regularizer: [none, {name: dropout, p: 0.2}%s]
seeds: %s
protocol: {epochs: 2, batch_size: 128%s}
wandb: {mode: disabled}
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))

    def written(fuse: int | None = 4, seeds: int = 1, model: str = "", regularizer: str = "") -> Path:
        grid = tmp_path / "grid.yaml"
        grid.write_text(GRID % (model, regularizer, seeds, "" if fuse is None else f", fuse: {fuse}"))
        return grid

    return written


def sweep(grid: Path, to: str = "r", **request: object) -> SweepSummary:
    asked = SweepRequest(grid, engine="inline", results=Path(to), **request)  # type: ignore[arg-type] # as is
    return run_sweep(asked, SilentProgress())


def trials(of: str = "r") -> pd.DataFrame:
    return pd.read_parquet(Path(of) / "trials.parquet").set_index("trial_id").sort_index()


def ids(grid: Path) -> dict[str, set[str]]:
    """By model, of a grid's trials."""
    plan = Plan(read_grid(grid), data_location(None, grid, None))
    found: dict[str, set[str]] = {}
    for cell in plan.cells():
        found.setdefault(cell.model.parts[0].component.name, set()).update(cell.trial_ids(plan.seeds_of(cell)))
    return found


def test_the_width_is_part_of_a_fused_trial_s_identity_and_of_no_other_s(write: Write) -> None:
    other = ", {name: vit, width: 8, depth: 1, heads: 2, patch: 4}"
    four, eight, one, none = (ids(write(fuse=fuse, model=other)) for fuse in (4, 8, 1, None))
    assert one == none
    assert four["vit"] == eight["vit"] == none["vit"]
    assert not four["mlp"] & eight["mlp"] and not four["mlp"] & none["mlp"]


def test_all_of_a_grid_runs_once_and_what_is_added_later_does_not_touch_the_rest(write: Write) -> None:
    assert sweep(write()).counts["completed"] == 6
    before = trials()
    sweep(write(seeds=2))
    after = trials()
    assert len(after) == 12 and set(after["status"]) == {"completed"}
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    sweep(write(seeds=2), "whole")
    measured = ["test_accuracy", "test_cross_entropy", "val_cross_entropy", "best_epoch", "steps"]
    pd.testing.assert_frame_equal(trials("whole")[measured], after[measured])


def test_the_plan_says_what_is_fused_and_why_something_is_not(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    other = ", {name: vit, width: 8, depth: 1, heads: 2, patch: 4}"
    assert cli_run(["plan", str(write(model=other))]) == 0
    shown = capsys.readouterr().out
    assert "6  of them fused, up to 4 in one slot (protocol.fuse)" in shown
    assert "6  of them not fused: the model vit does not say that its nets can be stacked" in shown


def test_a_single_trial_of_a_stack_runs_again_to_the_bit(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    grid = write()
    sweep(grid)
    one = trials().index[3]
    assert cli_run(["debug", "r", str(one)]) == 0
    assert "the same is stored" in capsys.readouterr().out
    sweep(grid, "alone", only=(str(one),))
    columns = ["test_cross_entropy", "val_cross_entropy", "test_accuracy"]
    assert trials("alone").loc[one, columns].equals(trials().loc[one, columns])


def test_one_that_raises_fails_alone_and_each_has_its_own_log(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loud(of: L1, parameters: object) -> None:
        print("loud", of.value)
        if of.value == 0.5:
            raise ValueError("as it was told to")

    monkeypatch.setattr(L1, "on_gradients", loud)
    sweep(write(regularizer=", {name: l1, value: [0.25, 0.5]}"))
    rows = trials()
    raised = rows[rows["regularizer"].str.contains("0.5")]
    assert set(raised["status"]) == {"failed"} and len(raised) == 3
    assert set(rows.drop(raised.index)["status"]) == {"completed"}
    assert raised["reason"].str.contains("as it was told to").all()

    def log_of(trial: object) -> str:
        capsys.readouterr()
        assert cli_run(["logs", "r", str(trial)]) == 0
        return capsys.readouterr().out

    for trial, level in rows["regularizer"].items():
        shown = log_of(trial)
        expected = {"none": (0, 0), "l1(value=0.25)": (1, 0), "l1(value=0.5)": (0, 1)}.get(str(level), (0, 0))
        assert ("loud 0.25" in shown, "loud 0.5" in shown) == tuple(map(bool, expected)), level
