"""What a grid leaves behind of a results directory, and what its finished trials lack, as `orch plan` says it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.cli import run as cli_run
from orchestrator.plan.progress import SilentProgress
from orchestrator.store.journal import Journal
from orchestrator.sweep.preview import preview
from orchestrator.sweep.run import SweepRequest, run_sweep
from orchestrator.sweep.summary import SweepSummary
from tests.orchestrator.sweeper import misbehave

GRID = """\
name: sweep
axes:
  dataset: {dataset}
  model: {model}
  optimizer: {optimizer}
  regularizer: {regularizer}
seeds: {seeds}
protocol: {protocol}
{more}
wandb: {{mode: disabled}}
"""
FIRST = {
    "dataset": "[{name: digits, per_class: 20}]",
    "model": "[{name: mlp, hidden: [8]}, {name: mlp, hidden: [16]}]",
    "optimizer": "[{name: sgd, lr: 0.1}, {name: adam, lr: 0.01}]",
    "regularizer": "[none]",
    "seeds": "[0, 30, 31]",
    "protocol": "{epochs: 4}",
    "more": "",
}
"""4 cells of 3 seeds, whose trials end at once."""


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def write(**changed: str) -> Path:
    Path("grid.yaml").write_text(GRID.format(**FIRST | changed))
    return Path("grid.yaml")


def run(grid: Path, notes: Notes | None = None) -> SweepSummary:
    return run_sweep(SweepRequest(grid=grid, engine="inline", run_trial=misbehave), notes or Notes())


@pytest.fixture(autouse=True)
def swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(write()).counts == {"completed": 12}


def said(**changed: str) -> list[str]:
    return [left.text for left in preview(write(**changed)).left]


@pytest.mark.parametrize(
    ("changed", "texts"),
    [
        ({}, []),
        ({"protocol": "{epochs: 5}"}, ["12 finished trials differ in protocol.epochs: 4 -> 5"]),
        (
            {"protocol": "{epochs: 4, batch_size: 32, splits: {validation: 0.2}, clip: 1.0}"},
            [
                "12 finished trials differ in protocol.batch_size: 64 -> 32, protocol.splits.validation: 0.1 -> 0.2,"
                " protocol.clip: default -> 1.0"
            ],
        ),
        ({"protocol": "{epochs: 4, trial_timeout: 9m, keep_weights: best, keep_predictions: false}"}, []),
        ({"seeds": "[0, 31, 32]"}, ["4 finished trials are of seeds that the grid does not name"]),
        ({"seeds": "4"}, ["8 finished trials are of seeds that the grid does not name"]),
        (
            {"optimizer": "[{name: sgd, lr: 0.1}]"},
            ["6 finished trials have optimizer adam(lr=0.01), which the grid does not name"],
        ),
        (
            {"optimizer": "[{name: sgd, lr: 0.1}, {name: adam, lr: 0.02}]"},
            ["6 finished trials differ in optimizer adam.lr: 0.01 -> 0.02"],
        ),
        (
            {"optimizer": "[{name: sgd, lr: 0.1}, {name: adam, lr: [0.02, 0.03]}]"},
            ["6 finished trials have optimizer adam(lr=0.01), which the grid does not name"],
        ),
        (
            {"model": "[{name: mlp, hidden: [8]}]", "protocol": "{epochs: 5}"},
            [
                "6 finished trials differ in protocol.epochs: 4 -> 5",
                "6 finished trials differ in protocol.epochs: 4 -> 5 and have model mlp(hidden=16), which the grid does"
                " not name",
            ],
        ),
        (
            {"dataset": "[{name: digits, per_class: 21}]"},
            ["12 finished trials differ in dataset digits.per_class: 20 -> 21"],
        ),
        (
            {"regularizer": "[{name: dropout, p: 0.2}]"},
            ["12 finished trials have regularizer none, which the grid does not name"],
        ),
        ({"more": "exclude: [{model: {name: mlp, hidden: [16]}}]"}, []),
        ({"more": "zip: [[model, optimizer]]"}, ["6 finished trials are of combinations that the grid does not name"]),
        (
            {"more": "overrides: [{when: {optimizer: adam}, set: {protocol.epochs: 6}}]"},
            ["6 finished trials differ in protocol.epochs: 4 -> 6"],
        ),
        ({"seeds": "{count: 2, vary: [init]}"}, ["12 finished trials differ in seeds.vary: all -> init"]),
    ],
)
def test_what_is_left_behind_is_told_with_what_makes_the_difference(changed: dict[str, str], texts: list[str]) -> None:
    assert said(**changed) == texts


def test_the_plan_says_it_in_the_place_of_its_counts(capsys: pytest.CaptureFixture[str]) -> None:
    write(protocol="{epochs: 5}")
    assert cli_run(["plan", "grid.yaml"]) == 0
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:]]
    assert ["12", "finished trials differ in protocol.epochs: 4 -> 5"] in [[n, text.rstrip()] for n, text in rows]
    assert cli_run(["plan", "grid.yaml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["left_behind"] == [{"trials": 12, "why": "differ in protocol.epochs: 4 -> 5"}]
    assert (told["done"], told["to_run"]) == (0, 12)


def test_a_sweep_says_it_once_before_it_begins() -> None:
    notes = Notes()
    assert run(write(protocol="{epochs: 5}"), notes).ran == 12
    told = [text for text in notes.texts if "finished trial" in text]
    assert told == ["warning: 12 finished trials differ in protocol.epochs: 4 -> 5; they are kept, but no longer count"]
    again = Notes()
    run(write(protocol="{epochs: 5}"), again)
    assert not [text for text in again.texts if "finished trial" in text]
    assert said(protocol="{epochs: 5}") == ["12 finished trials differ in protocol.epochs: 4 -> 5"]  # a plan still does
    assert said() == ["12 finished trials differ in protocol.epochs: 5 -> 4"]


def test_one_trial_is_one() -> None:
    run(write(seeds="[0, 30, 31, 40]", model="[{name: mlp, hidden: [8]}]", optimizer="[{name: sgd, lr: 0.1}]"))
    texts = said(model="[{name: mlp, hidden: [8]}, {name: mlp, hidden: [16]}]")
    assert texts == ["1 finished trial is of seeds that the grid does not name"]


def test_a_component_that_is_gone_is_left_behind_by_its_label() -> None:
    journal = Journal.create_or_open(Path("results/sweep/journal.sqlite"))
    config = json.dumps({"name": "gone\x1b[31m", "lr": 1})
    db = journal._db
    db.execute("UPDATE cells SET optimizer_config = ?, optimizer = 'gone' WHERE optimizer LIKE 'adam%'", (config,))
    gone = "(SELECT cell_id FROM cells WHERE optimizer = 'gone')"
    for table in ("trials", "cells"):
        db.execute(f"UPDATE {table} SET cell_id = 'feed' || substr(cell_id, 5) WHERE cell_id IN {gone}")
    journal.commit()
    journal.close()
    assert said(optimizer="[{name: sgd, lr: 0.1}]") == [
        "6 finished trials have optimizer gone, which the grid does not name"
    ]


def test_weights_that_are_asked_for_later_are_told_with_what_they_would_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = write(protocol="{epochs: 4, keep_weights: best}")
    counts = preview(kept).counts
    assert (counts.done, len(counts.unweighted), counts.to_run) == (12, 12, 0)
    assert preview(write()).counts.unweighted == ()
    with_files = Path("results/sweep/weights")
    with_files.mkdir()
    for trial in pd.read_parquet("results/sweep/trials.parquet")["trial_id"][:5]:
        (with_files / f"{trial}.safetensors").write_bytes(b"")
    assert len(preview(write(protocol="{epochs: 4, keep_weights: best}")).counts.unweighted) == 7
    assert cli_run(["plan", "grid.yaml"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "7 of them without weights; they do not run again for those" in shown
    assert cli_run(["plan", "grid.yaml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["without_weights"] == 7 and told["without_weights_seconds"] > 0
