"""What the trials table says of the test split can be computed again from what is kept of each example."""

from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    matthews_corrcoef,
)

import orchestrator
from orchestrator.plan.progress import SilentProgress
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.reading import split_predictions
from orchestrator.sweep.run import SweepRequest, run_sweep

GRID: Final = """\
name: demo
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [[8], [16]]}]
  optimizer: [{name: sgd, lr: 0.05}]
  regularizer: [none]
seeds: 2
protocol: {epochs: 2}
wandb: {mode: disabled}
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("predictions")
    (root / "grid.yaml").write_text(GRID)
    run_sweep(SweepRequest(root / "grid.yaml", engine="inline", results=root / "results"), SilentProgress())
    return root / "results"


def test_measures_of_the_test_split_follow_from_the_predictions(results: Path) -> None:
    found = orchestrator.load(results)
    answers = found.predictions().merge(found.examples, on=["split_id", "position"])
    assert len(answers) == found.trials["test_size"].sum()
    for row in found.trials.itertuples():
        own = answers[answers["trial_id"] == row.trial_id]
        target, predicted = own["target"].to_numpy(), own["predicted"].to_numpy()
        assert accuracy_score(target, predicted) == pytest.approx(row.test_accuracy, abs=1e-12)
        assert balanced_accuracy_score(target, predicted) == pytest.approx(row.test_balanced_accuracy, abs=1e-12)
        assert f1_score(target, predicted, average="macro") == pytest.approx(row.test_f1_macro, abs=1e-12)
        assert f1_score(target, predicted, average="weighted") == pytest.approx(row.test_f1_weighted, abs=1e-12)
        assert matthews_corrcoef(target, predicted) == pytest.approx(row.test_matthews, abs=1e-12)
        assert cohen_kappa_score(target, predicted) == pytest.approx(row.test_kappa, abs=1e-12)
        # a relative error of 2^-11 in the probability is one of as much in its logarithm
        cross_entropy = -np.log(own["probability"].to_numpy(float)).mean()
        assert cross_entropy == pytest.approx(row.test_cross_entropy, abs=2**-11)


def test_the_files_are_read_as_they_are_by_pandas_and_duckdb(results: Path) -> None:
    found = orchestrator.load(results)
    frame = pd.read_parquet(results / "predictions.parquet")
    assert list(frame) == ["trial_id", "split_id", "position", "predicted", "probability"]
    examples = pd.read_parquet(results / "examples.parquet")
    assert list(examples) == ["split_id", "position", "target", "group", "source"]
    by_pandas = frame.merge(examples).assign(right=lambda rows: rows["predicted"] == rows["target"])
    by_duckdb = duckdb.sql(
        f"SELECT trial_id, avg((predicted = target)::INT) FROM '{results}/predictions.parquet/*.parquet'"
        f" JOIN '{results}/examples.parquet' USING (split_id, position) GROUP BY trial_id"
    ).fetchall()
    accuracies = found.trials.set_index("trial_id")["test_accuracy"].to_dict()
    assert by_pandas.groupby("trial_id")["right"].mean().to_dict() == pytest.approx(accuracies)
    assert dict(by_duckdb) == pytest.approx(accuracies)


def test_the_trials_of_one_split_are_a_matrix(results: Path) -> None:
    trials = orchestrator.load(results).trials
    split_id = trials["split_id"][0]
    same = trials[trials["split_id"] == split_id]
    assert set(same["seed"]) == {
        same["seed"].iloc[0]
    }  # each seed draws a test split of its own, the same for both cells
    found = split_predictions(ResultsPaths(results), split_id, list(trials["trial_id"]))
    assert found.trial_ids == tuple(same["trial_id"])
    assert found.correct.shape == (2, same["test_size"].iloc[0])
    assert found.correct.mean(axis=1) == pytest.approx(same["test_accuracy"].to_numpy())
