"""What several workers trained under an older orch has the ids of now once it is written again, and runs no second time."""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestrator.cli import run
from orchestrator.grid import read_grid
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.rekeying.trials import RENAMES_DUE
from orchestrator.wandb.ledger import Ledger
from tests.orchestrator.store.integrity.test_integrity import damaged

GRID = """\
name: sweep
axes:
  dataset: digits
  model: [{name: mlp, hidden: [4]}, {name: cnn, channels: [2], hidden: [], batch_norm: true}]
  optimizer: sgd
seeds: 2
protocol: {epochs: 1, keep_weights: best, keep_predictions: false}
resources: {workers: %d}
tuning: {trials: 2, space: {optimizer.lr: [0.01, 0.1, log]}}
wandb: {mode: disabled}
"""


@dataclass(frozen=True)
class Older:
    """A results directory of version 6, all of whose trials were trained by two workers."""

    paths: ResultsPaths
    ids: dict[tuple[str, str, int], str]
    """(model, purpose, seed or number) to the id of now."""

    def statuses(self) -> dict[str, str]:
        with closing(Journal.read(self.paths.journal)) as journal:
            return journal.statuses()


def planned(folder: Path, workers: int) -> dict[tuple[str, str, int], str]:
    (folder / "grid.yaml").write_text(GRID % workers)
    plan = Plan(read_grid(folder / "grid.yaml"), data_location(None, folder / "grid.yaml"))
    found = {}
    for cell in plan.cells():
        name = cell.model.label.partition("(")[0]
        found |= {(name, "tuning", number): trial for number, trial in enumerate(cell.tuning_ids((0, 1)))}
        found |= {(name, "evaluation", seed): cell.trial_id(seed) for seed in (0, 1)}
    return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what one worker has left, as an older orch would have left it of two."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "grid.yaml").write_text(GRID % 1)
    results = folder / "results" / "sweep"
    assert run(["sweep", str(folder / "grid.yaml"), "--engine", "inline", "-q", "--results", str(results)]) == 0
    ledger = Ledger(results / "wandb" / "sent.jsonl")
    lines = [{"trial_id": trial, "run_id": f"{trial}-d-e", "mode": "online"} for trial in planned(folder, 1).values()]
    (results / "wandb" / "sent.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert ledger.state("nobody") is None
    with closing(sqlite3.connect(results / "journal.sqlite")) as db, db:
        db.execute("UPDATE trials SET world_size = 2")
        db.execute("UPDATE trials SET world_size = NULL, status = 'failed' WHERE seed = 1")
        db.execute("UPDATE environments SET grid = ?", (GRID % 2,))
        cell = db.execute("SELECT cell_id FROM cells WHERE model LIKE 'cnn%'").fetchone()[0]
        db.execute("INSERT INTO meta VALUES ('added_seeds', ?)", (json.dumps({cell: 2}),))
    (results / "journal.seal").unlink()
    with closing(Journal.create_or_open(results / "journal.sqlite")) as journal:
        journal.remember("results_version", "6")
    return folder


@pytest.fixture
def older(kept: Path, tmp_path: Path) -> Older:
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    return Older(ResultsPaths(tmp_path / "results" / "sweep"), planned(tmp_path, 2))


def test_they_are_planned_under_other_ids_only_where_workers_count(older: Older, kept: Path) -> None:
    before = planned(kept, 1)
    changed = {key for key, trial in before.items() if older.ids[key] != trial}
    assert changed == {key for key in before if key[0] == "cnn"}
    assert len(changed) == 4


def test_the_next_sweep_runs_nothing_and_finds_everything(
    older: Older, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(older.paths.root.parents[1])
    before = {path.stem: path.read_bytes() for path in (older.paths.root / "weights").iterdir()}
    old = older.statuses()
    capsys.readouterr()
    assert run(["plan", "grid.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["to_run"] == 0
    assert older.statuses() == old, "looking changes nothing"
    assert run(["sweep", "grid.yaml", "-q", "--json"]) == 1, "those that failed have failed"
    assert json.loads(capsys.readouterr().out)["ran"] == 0
    assert older.statuses() == {
        trial: "failed" if key[1:] == ("evaluation", 1) else "completed" for key, trial in older.ids.items()
    }
    assert damaged(older.paths) == {}
    after = {path.stem: path.read_bytes() for path in (older.paths.root / "weights").iterdir()}
    assert after.keys() <= set(older.ids.values())
    assert sorted(after.values()) == sorted(before.values())
    assert rows(older.paths, "epochs") <= set(older.ids.values())
    ledger = Ledger(older.paths.wandb_sent)
    assert {ledger.state(f"{trial}-d-e") for trial in older.ids.values()} == {"online"}
    with closing(Journal.read(older.paths.journal)) as journal:
        assert journal.meta(RENAMES_DUE) is None
        assert set(json.loads(journal.meta("added_seeds") or "{}")) >= {
            cell for (cell,) in journal.query("SELECT cell_id FROM cells WHERE model LIKE 'cnn%' AND cell_id IN"
                                             " (SELECT cell_id FROM trials)")
        }  # fmt: skip


def rows(paths: ResultsPaths, table: str) -> set[Any]:
    return set(pq.read_table(paths.table(table))["trial_id"].to_pylist())


def test_who_only_reads_sees_it_as_it_is(older: Older, capsys: pytest.CaptureFixture[str]) -> None:
    failed = {trial for trial, status in older.statuses().items() if status == "failed"}
    (trial,) = rows(older.paths, "trials") - set(older.ids.values()) - failed
    assert run(["logs", str(older.paths.root), trial]) == 0
    assert run(["status", str(older.paths.root)]) == 0
    assert damaged(older.paths) == {}


def test_a_sweep_that_is_killed_between_the_journal_and_the_files_is_gone_on_with(
    older: Older, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(older.paths.root.parents[1])
    Journal.create_or_open(older.paths.journal).close()
    assert set(older.statuses()) == set(older.ids.values())
    assert damaged(older.paths) == {}, "tables and files have the old names, which the journal knows"
    capsys.readouterr()
    assert run(["sweep", "grid.yaml", "-q", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ran"] == 0
    assert {path.stem for path in (older.paths.root / "weights").iterdir()} <= set(older.ids.values())
    assert damaged(older.paths) == {}
