"""A sweep's images: of generators alone, under the trial's name, and what they took in the table."""

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator.plan.progress import SilentProgress
from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from orchestrator.store.reading import results_at
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

    page = read_page(results_at(Path("results/gans")))
    assert {one.trial_id for one in page.kept_images} == set(kept)
    for one in page.kept_images:
        shown = Image.open(BytesIO(b64decode(one.image.removeprefix("data:image/png;base64,"))))
        assert np.array_equal(
            np.asarray(shown.convert("RGB")), np.asarray(Image.open(kept[one.trial_id]).convert("RGB"))
        )
    text = render(page)
    assert "Kept images</h2>" in text and all(f"What trial {trial_id} kept" in text for trial_id in kept)

    broken, bomb, _ = sorted(kept.values())
    broken.write_bytes(broken.read_bytes()[:100])
    Image.new("1", (20_000, 20_000)).save(bomb)
    unread = {one.trial_id for one in read_page(results_at(Path("results/gans"))).kept_images if not one.image}
    assert unread == {broken.stem, bomb.stem}
