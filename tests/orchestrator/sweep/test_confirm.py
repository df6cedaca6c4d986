"""`orch sweep GRID --confirm`: real sweeps whose first cell and its rivals run on fresh seeds."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import orchestrator
from orchestrator.cli import run
from orchestrator.plan.confirmation import FIRST, ConfirmationSeeds
from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from orchestrator.report.markdown import markdown
from orchestrator.store.paths import ResultsPaths
from orchestrator.wandb.board_content import read_content

GRID = """\
name: demo
axes:
  dataset: {dataset}
  model: {model}
  optimizer: [{{name: sgd, lr: 0.1}}]
seeds: {seeds}
protocol: {{epochs: 1, batch_size: 32}}
wandb: {{mode: disabled}}
{more}"""
DIGITS = "[{name: digits, per_class: 20}]"
WIDTHS = "[{name: mlp, hidden: [[4], [16], [64]]}]"
CLAIM = """claims:
  - {id: H1, text: wide, better: {model: mlp(hidden=64)}, than: {model: mlp(hidden=4)}, on: test_accuracy}
"""
ROOT = Path("results/demo")
KILLED = """
import os, signal, sys
from pathlib import Path
from orchestrator.sweep.run import SweepRequest, run_sweep, run_trial
from orchestrator.plan.progress import SilentProgress

left = [2]

def dies(task, context):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return run_trial(task, context)

run_sweep(SweepRequest(Path("grid.yaml"), engine="inline", confirm=0, run_trial=dies), SilentProgress())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(dataset: str = DIGITS, model: str = WIDTHS, seeds: int | str = 3, more: str = CLAIM) -> None:
    Path("grid.yaml").write_text(GRID.format(dataset=dataset, model=model, seeds=seeds, more=more))


@pytest.fixture
def sweep(capsys: pytest.CaptureFixture[str]):
    def go(*options: str) -> dict[str, Any]:
        capsys.readouterr()
        assert run(["sweep", "grid.yaml", "--engine", "inline", "--json", "-q", *options]) == 0, capsys.readouterr().err
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return go


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]):
    def say(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert run(list(arguments)) == code
        shown = capsys.readouterr()
        return shown.err if code else shown.out

    return say


def table(name: str) -> pd.DataFrame:
    found: pd.DataFrame = orchestrator.load(ROOT).table(name)
    return found


def test_what_came_first_runs_on_fresh_seeds_and_changes_nothing_that_chose_it(sweep, said) -> None:
    write()
    assert sweep()["ran"] == 9
    before = [said("claims", str(ROOT), "--json"), said("results", str(ROOT), "--cells", "--json")]
    trials = table("trials")
    found = sweep("--confirm")
    assert (found["ran"], found["counts"]) == (9, {"completed": 18}), "three seeds tell nothing apart: all are rivals"
    assert [said("claims", str(ROOT), "--json"), said("results", str(ROOT), "--cells", "--json")] == before
    pd.testing.assert_frame_equal(table("trials"), trials)
    fresh = table("confirmation_trials")
    assert sorted(fresh["seed"].unique()) == [FIRST, FIRST + 1, FIRST + 2]
    assert set(fresh["purpose"]) == {"confirmation"}
    cells = found["confirmation"]
    assert cells == json.loads(said("results", str(ROOT), "--confirmed", "--json"))
    assert [cell["role"] for cell in cells] == ["first", "rival", "rival"]
    first, rival, _ = cells
    leaderboard = orchestrator.load(ROOT).cells()
    assert first["cell_id"] == leaderboard["cell_id"].iloc[0]
    assert first["selected"] == pytest.approx(leaderboard["mean"].iloc[0])
    # by hand: the corrected resampled t of seeds that redraw their splits
    scores = fresh.pivot(index="seed", columns="cell_id", values="test_accuracy")
    sizes = fresh.iloc[0]
    factor = 1 / 3 + sizes["test_size"] / (sizes["train_size"] + sizes["unlabelled_size"])
    assert first["mean"] == pytest.approx(scores[first["cell_id"]].mean(), abs=1e-6)
    difference = (scores[first["cell_id"]] - scores[rival["cell_id"]]).to_numpy()
    assert rival["difference"] == pytest.approx(difference.mean(), abs=1e-6)
    reach = stats.t.ppf(0.975, 2) * (np.var(difference, ddof=1) * factor) ** 0.5
    low, high = rival["difference_low"], rival["difference_high"]
    assert min(difference.mean() - low, high - difference.mean()) == pytest.approx(reach, rel=1e-6), "the unskewed side"
    assert rival["p"] >= 2 / 2**3, "three seeds decide nothing"
    assert (rival["verdict"], rival["scope"], first["verdict"]) == ("inconclusive", "pictures like these", None)


def test_every_command_knows_which_trials_confirm(sweep, said) -> None:
    write()
    sweep()
    sweep("--confirm")
    assert "came first, its mean test accuracy" in said("results", str(ROOT), "--confirmed")
    assert len(json.loads(said("results", str(ROOT), "--json"))) == 9
    assert len(json.loads(said("results", str(ROOT), "--json", "--where", "purpose=confirmation"))) == 9
    planned = json.loads(said("plan", "grid.yaml", "--json"))
    assert (planned["trials"], planned["confirmation_trials"], planned["to_run"]) == (18, 9, 0)
    assert sweep()["counts"] == {"completed": 18}, "planned without the option too"
    trial = str(table("confirmation_trials")["trial_id"].iloc[0])
    assert "confirmation: a fresh seed of a cell that other seeds chose" in said("logs", str(ROOT), trial)
    page = read_page(ResultsPaths(ROOT))
    assert (page.trials, len(page.confirmed)) == (9, 1)
    assert "of the 3 seeds" not in page.confirmed[0].lines[0] and "over 3 fresh seeds" in page.confirmed[0].lines[0]
    assert "On fresh seeds" in render(page)
    assert "over 3 fresh seeds it is" in markdown(page)
    assert any("over 3 fresh seeds it is" in line for line in read_content(ResultsPaths(ROOT)).summary)
    assert said("verify", str(ROOT))
    assert len(orchestrator.load(ROOT).confirmed()) == 3


def test_a_number_of_its_own_and_no_other_once_it_was_seen(sweep, said) -> None:
    write()
    sweep()
    assert sweep("--confirm", "2")["ran"] == 6
    refused = said("sweep", "grid.yaml", "--engine", "inline", "-q", "--confirm", "5", code=2)
    assert "--confirm 5: 2 fresh seeds have been run here" in refused
    assert sweep("--confirm")["ran"] == 0


def test_killed_and_given_again_it_goes_on(sweep, said) -> None:
    write()
    sweep()
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    waits = said("results", str(ROOT), "--confirmed")
    assert "trials on fresh seeds have still to run: nothing is confirmed before they have ended" in waits or (
        "nothing is confirmed in" in waits  # the tables are older
    )
    again = sweep("--confirm")
    assert (again["ran"], again["counts"]) == (7, {"completed": 18})
    assert len(again["confirmation"]) == 3


@pytest.mark.parametrize("tuned", ["once", "in repetitions"])
def test_tuned_cells_run_with_what_was_chosen(tuned: str, sweep) -> None:
    times = ", repetitions: 2" if tuned == "in repetitions" else ""
    tuning = f"tuning: {{trials: 2, search: random, space: {{optimizer.lr: [0.01, 0.5, log]}}{times}}}\n"
    write(model="[{name: mlp, hidden: [[4], [64]]}]", seeds=4, more=tuning)
    Path("grid.yaml").write_text(Path("grid.yaml").read_text().replace("{name: sgd, lr: 0.1}", "sgd"))
    sweep()
    chosen = table("trials").assign(part=lambda rows: rows["repetition"].fillna(0))
    found = sweep("--confirm")
    assert found["ran"] == 8, "nothing is tuned again"
    fresh = table("confirmation_trials").assign(part=lambda rows: rows["repetition"].fillna(0))
    values = chosen.groupby(["cell_id", "part"])["tuned"].agg(set)
    assert (fresh.groupby(["cell_id", "part"])["tuned"].agg(set) == values).all()
    assert all(cell["n"] == 4 for cell in found["confirmation"])


def test_folds_begin_with_the_first(sweep) -> None:
    write(dataset="[{name: digits, folds: 3}]")
    sweep()
    sweep("--confirm")
    assert sorted(table("confirmation_trials")["seed"].unique() % 3) == [0, 1, 2]


def test_where_another_cell_comes_first_by_now_that_is_said(sweep, said) -> None:
    write(model="[{name: mlp, hidden: [[2], [3]]}]", more="")
    sweep()
    sweep("--confirm")
    write(model="[{name: mlp, hidden: [[2], [3], [64]]}]", more="")
    sweep()
    assert "now comes first, but has no fresh seeds; `orch sweep GRID --confirm` gives it some" in said(
        "results", str(ROOT), "--confirmed"
    )
    assert sweep("--confirm")["confirmation"][0]["cell"].startswith("mlp(hidden=64)")


def refused(said, *options: str) -> str:
    return str(said("sweep", "grid.yaml", "--engine", "inline", "-q", *(options or ("--confirm",)), code=2))


def test_before_anything_has_ended_there_is_nothing_to_confirm(said, sweep) -> None:
    write()
    assert f"{ROOT}, so nothing has come first: run `orch sweep grid.yaml` first" in refused(said)
    assert sweep()["ran"] == 9, "what was refused leaves nothing behind"
    assert "exclude each other" in refused(said, "--confirm", "--add-seeds")


def test_one_cell_alone_was_not_chosen(said, sweep) -> None:
    write(model="[{name: mlp, hidden: [4]}]", more="")
    sweep()
    assert "grid.yaml: no data set has two cells that completed" in refused(said)


def test_results_of_another_grid_choose_nothing_of_this_one(said, sweep) -> None:
    write(model="[{name: mlp, hidden: [[4], [8]]}]", more="")
    sweep()
    write(more="")
    assert "are as another grid left them: 6 of the 9 trials of grid.yaml are not among them" in refused(said)
    write(model="[{name: mlp, hidden: [[4], [8]]}]", seeds=2, more="")
    assert "are as another grid left them: grid.yaml has fewer trials" in refused(said)


def test_where_nothing_completed_there_is_nothing_to_rank(said) -> None:
    write(more="")
    text = Path("grid.yaml").read_text().replace("{name: sgd, lr: 0.1}", "{name: sgd, lr: 1.0e+30}")
    Path("grid.yaml").write_text(text)
    said("sweep", "grid.yaml", "--engine", "inline", "-q")
    assert set(table("trials")["status"]) == {"diverged"}
    assert "no trial of grid.yaml has completed" in refused(said)


def test_fresh_seeds_are_none_that_chose() -> None:
    seeds = ConfirmationSeeds(2, ("a",))
    assert seeds.of(("a",), range(10)) == (FIRST, FIRST + 1)
    assert seeds.of(("a",), (1, FIRST, 5)) == (FIRST + 1, FIRST + 2)
    assert seeds.of(("b",), range(10)) == ()
    assert seeds.joined(["b", "a"], 2).cells == ("a", "b")
