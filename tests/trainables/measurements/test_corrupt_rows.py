"""The measurement `corrupt` on a sweep's nets: that worse pictures are harder, and that how it is run changes nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.cli import run

GRID = """\
name: worse
axes:
  dataset: digits
  model: [{name: mlp, hidden: 32}, {name: cnn, channels: [8]}]
  optimizer: {name: adam, lr: 0.01}
seeds: 1
protocol: {epochs: 3}
measure: {name: corrupt, pictures: 150}
wandb: {mode: disabled}
"""


def swept(folder: Path, *arguments: str) -> pd.DataFrame:
    """The rows of `corruptions`, with the label of the model."""
    (folder / "grid.yaml").write_text(GRID)
    results = folder / "results"
    assert (
        run(["sweep", str(folder / "grid.yaml"), "--engine", "inline", "-q", "--results", str(results), *arguments])
        == 0
    )
    trials = pd.read_parquet(results / "trials.parquet")
    return pd.read_parquet(results / "corruptions.parquet").merge(trials[["trial_id", "model"]], on="trial_id")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return swept(tmp_path_factory.mktemp("worse"))


def test_accuracy_falls_with_severity(rows: pd.DataFrame) -> None:
    assert (rows["n"] == 150).all() and rows.groupby("model")["corruption"].nunique().tolist() == [13, 13]
    for _, own in rows.groupby("model"):
        mean = own.groupby("severity")["accuracy"].mean()
        assert list(mean.index) == [0, 1, 2, 3, 4, 5]
        assert (np.diff(mean) < 0).all(), mean
        assert mean[0] > 0.8 > 0.6 > mean[5]
        loss = own.groupby("severity")["cross_entropy"].mean()
        assert (np.diff(loss) > 0).all(), loss


def test_the_ratio_is_that_of_the_errors_of_the_same_pictures(rows: pd.DataFrame) -> None:
    for _, own in rows.groupby("model"):
        clean = own[own["corruption"] == "clean"]["accuracy"].item()
        expected = (1 - own["accuracy"]) / (1 - clean)
        assert list(own["error_ratio"]) == pytest.approx(list(expected))
        right = own["accuracy"] * 150
        assert list(right) == pytest.approx(list(right.round())), "of 150 pictures each"


def test_a_second_sweep_elsewhere_gives_the_same_rows_bit_for_bit(rows: pd.DataFrame, tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(swept(tmp_path), rows, check_exact=True)
