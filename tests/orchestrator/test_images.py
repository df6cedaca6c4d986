"""A sweep's images: of generators alone, under the trial's name, and what they took in the table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import SweepRequest, run_sweep

GRID = """\
name: gans
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: 8}, {name: sgan, channels: 4, hidden: 8, generator_channels: [8, 4], latent: 8}]
  optimizer: [adam]
  regularizer: [none, {name: gan_augment, steps: 2, ratio: 0.5, channels: [8, 4]}]
protocol: {epochs: 1}
wandb: {mode: disabled}
"""


def test_a_sweep_keeps_the_samples_of_every_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(GRID)
    summary = run_sweep(SweepRequest(grid=Path("grid.yaml"), engine="inline"), SilentProgress())
    assert summary.counts == {"completed": 4}
    trials = pd.read_parquet("results/gans/trials.parquet")
    plain = (trials["model"].str.startswith("mlp")) & (trials["regularizer"] == "none")
    kept = {path.stem: path for path in Path("results/gans/pictures").iterdir()}
    assert set(kept) == set(trials["trial_id"][~plain])
    assert all(np.asarray(Image.open(path)).shape == (89, 89) for path in kept.values())

    augmented = trials["regularizer"].str.startswith("gan_augment")
    assert (trials["generation_seconds"] > 0).tolist() == augmented.tolist()
    assert trials["generation_seconds"].notna().tolist() == augmented.tolist()
    assert (trials["train_size"] + trials["val_size"] + trials["test_size"] == 1797).all()
    share = trials["generated_size"] / trials["train_size"]
    assert share[augmented].between(0.49, 0.51).all() and (share[~augmented] == 0).all()
