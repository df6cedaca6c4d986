"""Seeds that vary some sources alone: what stays as it is, and how much each brings."""

import json
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.cli import run
from orchestrator.grid import read_grid
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location
from trainables.spec import SOURCES, derived_seeds

GRID = """\
name: sweep
axes:
  dataset: digits
  model: [{name: mlp, hidden: [8]}]
  optimizer: [{name: sgd, lr: 0.1}]
  regularizer: [{name: dropout, p: 0.2}]
seeds: %s
protocol: {epochs: 1}
wandb: {mode: disabled}
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grid with seeds that vary all, then each source alone, into one directory."""
    folder = tmp_path_factory.mktemp("varied")
    for seeds in ("4", *(f"{{count: 4, vary: [{source}]}}" for source in SOURCES)):
        sweep(folder, seeds)
    return folder / "results"


def sweep(folder: Path, seeds: str) -> None:
    grid = folder / "grid.yaml"
    grid.write_text(GRID % seeds)
    assert run(["sweep", str(grid), "--engine", "inline", "-q", "--results", str(folder / "results")]) == 0


def rows(results: Path) -> pd.DataFrame:
    tables = [pd.read_parquet(results / f"{name}.parquet") for name in ("trials", "earlier_trials")]
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize("source", SOURCES)
def test_the_named_source_varies_and_the_others_are_those_of_the_first_seed(swept: Path, source: str) -> None:
    trials = rows(swept)
    part = trials[trials["varied"] == source].set_index("seed")
    first = derived_seeds(0)
    assert list(part.index) == [0, 1, 2, 3]
    for other, stream in zip(SOURCES, (first.split, first.init, first.shuffle, first.augment), strict=True):
        assert part[f"seed_{other}"].nunique() == (4 if other == source else 1)
        assert part.loc[0, f"seed_{other}"] == stream
    whole = trials[trials["varied"].isna()].set_index("seed")
    assert part.loc[0, "test_accuracy"] == whole.loc[0, "test_accuracy"], "the first seed is the same training"
    assert set(part["trial_id"]).isdisjoint(whole["trial_id"])


def test_each_source_has_its_row(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["results", str(swept), "--variance", "--json"]) == 0
    found = {row["varied"]: row for row in json.loads(capsys.readouterr().out)}
    assert found.keys() == {*SOURCES, ",".join(SOURCES)}
    trials = rows(swept)
    whole = trials[trials["varied"].isna()]["test_accuracy"]
    for source in SOURCES:
        scores = trials[trials["varied"] == source]["test_accuracy"]
        row = found[source]
        assert (row["n"], row["measure"]) == (4, "test_accuracy")
        assert row["deviation"] == pytest.approx(scores.std())
        assert row["share"] == pytest.approx(scores.var() / whole.var())
    assert [row["deviation"] for row in found.values()] == sorted(
        (r["deviation"] for r in found.values()), reverse=True
    )
    assert run(["results", str(swept), "--variance"]) == 0
    assert "varied" in capsys.readouterr().out
    assert run(["results", str(swept), "--variance", "--limit", "3"]) == 2


def test_seeds_that_vary_everything_are_the_trials_that_they_were(tmp_path: Path) -> None:
    def ids(seeds: str) -> set[str]:
        grid = tmp_path / "grid.yaml"
        grid.write_text(GRID % seeds)
        return {trial.trial_id for trial in Plan(read_grid(grid), data_location(None, grid)).trials()}

    plain = ids("3")
    assert ids("{count: 3}") == ids("{count: 3, vary: [augment, order, init, split]}") == plain
    assert ids("{count: 3, vary: [init]}").isdisjoint(plain)
    assert ids("{count: 2, vary: [init]}") < ids("{count: 3, vary: [init]}")
    assert ids("{count: 3, vary: [init, order]}") == ids("{count: 3, vary: [order, init]}")


def test_without_such_trials_the_command_says_what_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep(tmp_path, "1")
    assert run(["results", str(tmp_path / "results"), "--variance"]) == 2
    assert "seeds: {count: 10, vary: [init]}" in capsys.readouterr().err
