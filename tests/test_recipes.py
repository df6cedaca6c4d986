"""Every recipe of the documents averages seeds alone: on results of several grids, with tuning and changed images."""

import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image

import orchestrator
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import SweepRequest, run_sweep
from tests.test_documents import ROOT, shown_by, snippets_of

GRID = """\
name: demo
axes:
  dataset: {name: image_folder, path: birds}
  model: [mlp, {name: cnn, channels: [4]}]
  optimizer: [{name: sgd, lr: %s, momentum: [0.0, 0.9]}]
seeds: 3
protocol: {epochs: %s}
tuning: {trials: 2, search: grid, space: {model.hidden: [[4], [8]]}}
claims:
  - {id: H1, text: said, better: {optimizer: "sgd(momentum=0.9)"}, than: {optimizer: "sgd(momentum=0)"}, on: test_accuracy}
wandb: {mode: disabled}
"""
CELLS, SEEDS = 4, 3
AXES = ["dataset", "model", "optimizer", "regularizer", "deployment"]


def draw(folder: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    for name in ("finch", "gull"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(15):
            pixels = random.integers(0, 255, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory after four grids: another learning rate, then other images, then more epochs; all tuned."""
    folder = tmp_path_factory.mktemp("recipes")
    for number, (rate, epochs, images) in enumerate([(0.1, 1, 0), (1e-5, 1, 0), (1e-5, 1, 1), (1e-5, 2, 1)]):
        draw(folder / "birds", images)
        (folder / "grid.yaml").write_text(GRID % (rate, epochs))
        summary = run_sweep(
            SweepRequest(grid=folder / "grid.yaml", results=folder / "results" / "demo", engine="inline"),
            SilentProgress(),
        )
        assert (summary.ran, summary.counts) == (CELLS * (2 + SEEDS), {"completed": CELLS * (2 + SEEDS)}), number
    shutil.copytree(folder / "results" / "demo", folder / "results" / "birds")
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def means_over_seeds(column: str) -> list[float]:
    """What the cells of the latest grid have in the mean, by their ids and not by their labels."""
    trials = orchestrator.load("results/demo").trials
    return sorted(trials.groupby("cell_id")[column].mean())


def assert_over_seeds(shown: pd.DataFrame, mean: str, count: str, column: str) -> None:
    assert list(shown[count]) == [SEEDS] * CELLS
    assert sorted(shown[mean]) == pytest.approx(means_over_seeds(column), rel=1e-12)


def test_each_table_of_trials_holds_one_kind() -> None:
    tables = {
        name: pd.read_parquet(f"results/demo/{name}.parquet") for name in ("trials", "tuning_trials", "earlier_trials")
    }
    assert {name: len(table) for name, table in tables.items()} == {
        "trials": CELLS * SEEDS,
        "tuning_trials": CELLS * 2,
        "earlier_trials": 3 * CELLS * (2 + SEEDS),
    }
    assert pd.concat(tables.values())["trial_id"].is_unique
    trials = tables["trials"]
    assert (trials.groupby(AXES)["cell_id"].nunique() == 1).all()
    assert (set(trials["purpose"]), set(tables["tuning_trials"]["purpose"])) == ({"evaluation"}, {"tuning"})
    assert not tables["earlier_trials"]["planned"].any()


def test_a_label_means_one_configuration_and_content_in_all_of_them() -> None:
    results = orchestrator.load("results/demo")
    every = pd.concat([results.trials, results.tuning_trials, results.earlier_trials])
    for axis, message in (("optimizer", ["optimizer_config"]), ("dataset", ["dataset_config", "data_fingerprint"])):
        assert (every.groupby(axis)[message].nunique() == 1).all(axis=None)
        assert every.groupby(message)[axis].nunique().eq(1).all()
    assert every["optimizer"].nunique() == 4
    assert every["dataset"].nunique() == 2
    # what tuning found stands in `tuned`: the models are called as they were to be tuned
    assert set(every["model"]) == {"mlp", "cnn(channels=4)"}


def test_the_first_recipe_of_the_readme() -> None:
    (snippet,) = [one for one in snippets_of("README.md") if "groupby" in one]
    shown = shown_by(snippet, {}, "README.md")
    assert shown.index.names == AXES
    assert_over_seeds(shown, "mean", "count", "test_accuracy")


def test_the_recipes_of_pandas_md() -> None:
    names: dict[str, Any] = {}
    shown = [shown_by(snippet, names, "docs/pandas.md") for snippet in snippets_of("docs/pandas.md")]
    groups, curves, rates, tuning, ever, hardest, polars, duck, several, sure, loaded = shown[:11]
    assert_over_seeds(groups, "mean", "count", "test_accuracy")
    assert_curves(curves)
    assert_over_seeds(rates, "mean", "count", "val_accuracy")
    assert set(rates.index.get_level_values("lr")) == {1e-5}
    assert tuning.groupby("cell_id").size().tolist() == [2] * CELLS
    assert ever["count"].tolist() == [SEEDS] * (4 * CELLS)
    assert isinstance(polars, pl.DataFrame)
    assert_over_seeds(polars.to_pandas(), "test_accuracy", "trials", "test_accuracy")
    assert_over_seeds(duck, "accuracy", "trials", "test_accuracy")
    assert several.groupby("filename").size().tolist() == [CELLS] * 2
    assert several["trials"].tolist() == [SEEDS] * (2 * CELLS)
    assert len(hardest) == 10
    assert hardest.is_monotonic_increasing
    assert hardest.between(0, 1).all()
    trials = names["results"].trials
    examples = trials.groupby("model")["test_size"].sum()
    assert sure.groupby("model")["answers"].sum().to_dict() == examples.to_dict()
    right = sure[sure["correct"]].set_index("model")["answers"] / examples
    np.testing.assert_allclose(right, trials.groupby("model")["test_accuracy"].mean().loc[right.index], atol=1e-9)
    assert names["results"].cells()["n"].tolist() == [SEEDS] * CELLS
    assert loaded is not None


def test_the_recipes_of_the_notebook() -> None:
    notebook = nbformat.read(ROOT / "examples" / "results.ipynb", as_version=4)
    names: dict[str, Any] = {}
    shown = [shown_by(cell.source, names, "results.ipynb") for cell in notebook.cells if cell.cell_type == "code"]
    assert shown[1]["n"].tolist() == [SEEDS] * CELLS
    assert names["results"].claims()["n"].tolist() == [SEEDS], (
        "its labels are the grid's, whatever the tables call them"
    )
    assert_curves(shown[-1])


def assert_curves(curves: pd.DataFrame) -> None:
    results = orchestrator.load("results/demo")
    epochs = results.epochs.merge(results.trials[["trial_id", "cell_id"]], on="trial_id")
    right = epochs.groupby(["cell_id", "epoch"])["val_accuracy"].agg(["mean", "count"])
    assert set(right["count"]) == {SEEDS}
    assert (curves.shape, curves.columns.names) == ((2, CELLS), AXES)
    assert sorted(curves.to_numpy().ravel()) == pytest.approx(sorted(right["mean"]), rel=1e-12)


RANGE_TEST = """\
name: lr-range
axes:
  dataset: digits
  model: {name: mlp, hidden: [4]}
  optimizer: [{name: sgd, lr: 1, momentum: [0, 0.9]}]
protocol: {epochs: %s, schedule: {name: lr_range, least: 1e-5, most: 100}}
wandb: {mode: disabled}
"""


def test_the_recipe_of_range_tests(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    backend = ModuleType("drawn")
    backend.plot = lambda data, kind, **options: drawn.append(options["title"])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "drawn", backend)
    for epochs in (1, 2):
        (folder / "range.yaml").write_text(RANGE_TEST % epochs)
        run_sweep(
            SweepRequest(grid=folder / "range.yaml", results=folder / "lr" / "results" / "lr-range", engine="inline"),
            SilentProgress(),
        )
    monkeypatch.chdir(folder / "lr")
    with pd.option_context("plotting.backend", "drawn"):
        (snippet,) = snippets_of("docs/learning-rates.md")
        shown_by(snippet, {}, "docs/learning-rates.md")
    assert drawn == ["mlp(hidden=4), sgd(momentum=0), seed 0", "mlp(hidden=4), sgd(momentum=0.9), seed 0"]
