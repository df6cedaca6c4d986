"""Whole sweeps whose seeds are added until claims are decided: some cells stop early, others go on, killed or not."""

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.cli import run
from orchestrator.report.contents import read_page
from orchestrator.report.markdown import markdown
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.processes import counts, finish, start, wait_until

GRID = """\
name: until
axes:
  dataset: {name: digits, per_class: 20}
  model: [{name: mlp, hidden: [[4], [64], [65]]}, {name: cnn, channels: [2]}]
  optimizer: adam
seeds: {until: decided, most: %s%s}
protocol: {epochs: 3, batch_size: 32%s}
%swandb: {mode: disabled}
claims:
  - {id: H1, text: units, better: {model: mlp(hidden=64)}, than: {model: mlp(hidden=4)},
     on: val_accuracy, scope: these_pictures}
  - {id: H2, text: one more, better: {model: mlp(hidden=65)}, than: {model: mlp(hidden=64)}, on: test_accuracy}
"""
SIZES = (8, 11, 15)


def grid(folder: Path, most: int = 15, *, vary: str = "", protocol: str = "", more: str = "") -> Path:
    (folder / "grid.yaml").write_text(GRID % (most, vary, protocol, more))
    return folder / "grid.yaml"


def seeds_by_model(folder: Path) -> dict[str, int]:
    trials = pd.read_parquet(folder / "results" / "until" / "trials.parquet")
    assert set(trials["status"]) == {"completed"}
    return trials.groupby("model")["seed"].nunique().to_dict()


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert run([*arguments]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def claims_of(folder: Path) -> list[dict[str, Any]]:
    code, output, errors = finish(start(folder, "-m", "orchestrator", "claims", "results/until", "--json"))
    assert code == 0, errors
    return [{key: value for key, value in claim.items() if key != "results"} for claim in json.loads(output)["claims"]]


def scores_of(folder: Path) -> dict[str, float]:
    trials = pd.read_parquet(folder / "results" / "until" / "trials.parquet")
    return dict(zip(trials["trial_id"], trials["test_accuracy"], strict=True))


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the sweep has come to its end, undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    grid(folder)
    code, _, errors = finish(start(folder, "-m", "orchestrator", "sweep", "grid.yaml", "--engine", "inline"))
    assert code == 0, errors
    for place, seeds in enumerate(SIZES, 1):
        assert f"look {place} of at most 3, at {seeds} of at most 15 seeds; decided: H1" in errors
    assert "H2 gets no more seeds: 15 seeds, the most that were planned, have not decided it" in errors
    return folder


def test_cells_whose_claims_are_decided_stop_and_others_go_on(
    ended: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ended)
    seeds = {"mlp(hidden=4)": 8, "mlp(hidden=64)": 15, "mlp(hidden=65)": 15, "cnn(channels=2)": 8}
    assert seeds_by_model(ended) == seeds
    units, one = told(capsys, "claims", "results/until", "--json")["claims"]
    assert (units["verdict"], units["n"], units["looks"]["taken"]) == ("supported", 8, [8])
    assert (one["verdict"], one["n"], one["looks"]["taken"]) == ("inconclusive", 15, [8, 11, 15])
    environments = pd.read_parquet("results/until/environments.parquet")
    assert list(environments["looks"]) == ["8,11,15"]
    look = told(capsys, "status", "results/until", "--json")["look"]
    assert (look["number"], look["of"], look["seeds"], look["most"]) == (3, 3, 15, 15)
    assert (look["decided"], look["goes_on"], look["left_open"]) == (["H1"], [], ["H2"])
    assert run(["status", "results/until"]) == 0
    assert "look 3 of at most 3, at 15 of at most 15 seeds; decided: H1; left open: H2" in capsys.readouterr().out
    page = markdown(read_page(ResultsPaths(Path("results/until"))))
    assert "seeds are added until they are decided, so far 15 of at most 15" in page
    again = told(capsys, "sweep", "grid.yaml", "--engine", "inline", "--json", "-q")
    assert (again["ran"], again["counts"]) == (0, {"completed": 46})


def test_a_plan_says_the_least_and_the_most(
    ended: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    planned = told(capsys, "plan", str(grid(tmp_path)), "--json")
    assert (planned["trials"], planned["most_trials"], planned["looks"]) == (4 * 8, 3 * 15 + 8, [8, 11, 15])
    monkeypatch.chdir(ended)
    planned = told(capsys, "plan", "grid.yaml", "--json")
    assert (planned["trials"], planned["to_run"], planned["most_trials"]) == (46, 0, 3 * 15 + 8)
    assert run(["plan", "grid.yaml"]) == 0
    assert "claims are looked at after 8, 11, 15 seeds; cells" in capsys.readouterr().out


def test_what_is_measured_of_more_seeds_counts_at_most_and_nets_along_a_stream_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    more = "measure: [groups, corrupt]\nupdate: {blocks: 4, policies: [never, {periodic: 2}]}\n"
    planned = told(capsys, "plan", str(grid(tmp_path, more=more)), "--json")
    along = 4 * 8 * 2 * 2
    assert (planned["trials"], planned["most_trials"]) == (3 * 4 * 8 + along, 3 * (3 * 15 + 8) + along)


def completed(folder: Path) -> int:
    return counts(folder / "results" / "until")["completed"]


DIES_AT_A_LOOK = """
import os, signal, sys
import orchestrator.evidence.next_seeds as looks
from orchestrator.cli import run
there, at = looks.next_seeds, int(sys.argv[1])

def dies(paths, grid):
    following = there(paths, grid)
    if following.look.seeds == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return following

looks.next_seeds = dies
run(["sweep", "grid.yaml", "--engine", "inline", "-q"])
"""


@pytest.mark.slow
@pytest.mark.timeout(900)  # seven processes, one after another
def test_killed_between_looks_and_at_them_it_comes_to_the_same(ended: Path, tmp_path: Path) -> None:
    grid(tmp_path)

    def killed(what: str, holds: Callable[[], bool]) -> None:
        process = start(tmp_path, "-m", "orchestrator", "sweep", "grid.yaml", "--engine", "inline", "-q")
        wait_until(what, holds, process)
        os.kill(process.pid, signal.SIGKILL)
        finish(process)

    killed("it trains before the first look", lambda: completed(tmp_path) >= 5)
    code, _, _ = finish(start(tmp_path, "-c", DIES_AT_A_LOOK, "8"))
    assert (code, completed(tmp_path)) == (-signal.SIGKILL, 32)
    killed("it trains after the first look", lambda: completed(tmp_path) >= 33)
    assert 33 <= completed(tmp_path) < 46
    code, _, _ = finish(start(tmp_path, "-c", DIES_AT_A_LOOK, "15"))
    assert (code, completed(tmp_path)) == (-signal.SIGKILL, 46)
    code, _, errors = finish(start(tmp_path, "-m", "orchestrator", "sweep", "grid.yaml", "--engine", "inline", "-q"))
    assert code == 0, errors
    assert seeds_by_model(tmp_path) == seeds_by_model(ended)
    assert scores_of(tmp_path) == scores_of(ended)
    assert claims_of(tmp_path) == claims_of(ended)
    with closing(sqlite3.connect(tmp_path / "results" / "until" / "journal.sqlite")) as journal:
        ((most,),) = journal.execute("SELECT max(attempts) FROM trials")
    assert most <= 2, "what was finished did not run again"


def test_a_greater_most_is_another_plan(ended: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Whoever looks again when the error is spent has spent more of it."""
    import shutil

    shutil.copytree(ended, tmp_path / "longer")
    monkeypatch.chdir(tmp_path / "longer")
    grid(tmp_path / "longer", most=17)
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q"]) == 0
    for claim in told(capsys, "claims", "results/until", "--json")["claims"]:
        assert "the number of seeds was planned again once after a look" in " ".join(claim["notes"])


@pytest.mark.slow
def test_with_what_seeds_vary_and_with_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    tuning = "tuning: {trials: 2, space: {optimizer.lr: [0.001, 0.01]}}\n"
    grid(tmp_path, 11, vary=", vary: [init, order]", more=tuning)
    done = told(capsys, "sweep", "grid.yaml", "--engine", "inline", "--json", "-q")
    assert done["counts"].keys() == {"completed"}
    seeds = seeds_by_model(tmp_path)
    assert seeds["mlp(hidden=65)"] == 11
    assert seeds["cnn(channels=2)"] == 8
    (_, one) = told(capsys, "claims", "results/until", "--json")["claims"]
    assert one["looks"]["taken"] == [8, 11]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("per_class: 20", "folds: 10", "grid.yaml:3:27: digits(folds=10) has 10 folds, one for each seed"),
        (
            "wandb:",
            "exclude: [{model: {name: mlp, hidden: [65]}}]\nwandb:",
            "grid.yaml:13:5: the claim H2 has no cell of",
        ),
    ],
)
@pytest.mark.parametrize("command", ["plan", "sweep"])
def test_what_no_seeds_decide_is_refused_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, command: str, old: str, new: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = grid(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    assert run([command, "grid.yaml"]) == 2
    assert message in capsys.readouterr().err


def test_more_trials_than_are_allowed_are_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    grid(tmp_path)
    assert run(["sweep", "grid.yaml", "--engine", "inline", "--max-trials", "52"]) == 2
    assert "with the seeds that may be added, grid.yaml has 53 trials" in capsys.readouterr().err


FOLDS = """\
name: until
axes:
  dataset: {name: digits, per_class: 8, folds: 11}
  model: [{name: mlp, hidden: [[4], [5]]}, {name: cnn, channels: [2]}]
  optimizer: adam
seeds: {until: decided, most: 11}
protocol: {epochs: 1, batch_size: 64, keep_predictions: false}
tuning: {trials: 2, space: {optimizer.lr: [0.0001, 0.0002, log]}}
wandb: {mode: disabled}
claims:
  - {id: H1, text: one more, better: {model: mlp(hidden=5)}, than: {model: mlp(hidden=4)}, on: test_accuracy}
"""


def test_each_fold_that_is_added_is_tuned_and_its_tuning_trials_count_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "grid.yaml").write_text(FOLDS)
    monkeypatch.chdir(tmp_path)
    planned = told(capsys, "plan", "grid.yaml", "--json")
    of_cell = 1 + 2  # a trial of each fold, and two that tune for it
    assert (planned["trials"], planned["most_trials"]) == (3 * 7 * of_cell, 2 * 11 * of_cell + 7 * of_cell)
    ended = told(capsys, "sweep", "grid.yaml", "--engine", "inline", "--json", "-q")
    assert ended["counts"] == {"completed": planned["most_trials"]}
    tuning = pd.read_parquet("results/until/tuning_trials.parquet")
    assert tuning.groupby("model")["repetition"].nunique().to_dict() == {
        "mlp(hidden=4)": 11,
        "mlp(hidden=5)": 11,
        "cnn(channels=2)": 7,
    }
