"""Which measures the predictions that are kept tell picture by picture, and why others are not told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import orchestrator
from orchestrator.cli import run
from orchestrator.evidence.pictures import KeptPictures
from orchestrator.evidence.stats.design import PREDICTIONS
from orchestrator.grid.measures import measure_named
from orchestrator.store.paths import ResultsPaths

GRID = """\
name: told
axes:
  dataset: {dataset}
  model: [{{name: mlp, hidden: [8]}}, {{name: mlp, hidden: [32]}}]
  optimizer: [{{name: sgd, lr: 0.1}}]
seeds: 3
protocol: {{epochs: 2, splits: {{test_seed: 0}}}}
claims:
{claims}"""
MEASURES = ("cross_entropy", "brier", "roc_auc_macro", "average_precision_macro", "top5_accuracy", "ece")


def swept(folder: Path, dataset: str) -> Path:
    claims = "".join(
        f"  - {{id: {name}, text: t, on: test_{name}, better: {{model: mlp(hidden=32)}}, than: {{model: mlp(hidden=8)}}}}\n"
        for name in MEASURES
    )
    grid, root = folder / "grid.yaml", folder / "results"
    grid.write_text(GRID.format(dataset=dataset, claims=claims))
    assert run(["sweep", str(grid), "--engine", "inline", "--results", str(root), "--wandb", "disabled", "-q"]) == 0
    return root


def two_classes(folder: Path) -> str:
    """Two kinds of pictures, light and dark, with much noise."""
    from PIL import Image

    random = np.random.default_rng(0)
    for kind, light in (("dark", 110), ("light", 145)):
        (folder / "images" / kind).mkdir(parents=True)
        for number in range(60):
            pixels = np.clip(light + 60 * random.normal(size=(6, 6)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / kind / f"{number}.png")
    return f"[{{name: image_folder, path: {folder / 'images'}}}]"


def test_of_two_classes_the_probability_of_the_true_one_tells_all(tmp_path: Path) -> None:
    root = swept(tmp_path, two_classes(tmp_path))
    results, pictures = orchestrator.load(root), KeptPictures(ResultsPaths(root))
    trials = results.trials.set_index("trial_id")
    said = results.predictions().merge(results.examples, on=["split_id", "position"])
    for name in MEASURES[:4]:
        on = measure_named(f"test_{name}")
        assert on is not None
        found = pictures(on, list(trials.index))
        assert not isinstance(found, str), found
        for trial_id, values in found:
            own = said[said["trial_id"] == trial_id]
            truth, second = own["probability"].to_numpy(float), own["target"].to_numpy() == 1
            of_second = np.where(second, truth, 1 - truth)
            oracle = {
                "cross_entropy": -np.log(truth).mean(),
                "brier": (2 * (1 - truth) ** 2).mean(),
                "roc_auc_macro": roc_auc_score(second, of_second),
                "average_precision_macro": (
                    average_precision_score(second, of_second) + average_precision_score(~second, 1 - of_second)
                )
                / 2,
            }[name]
            assert values.mean() == pytest.approx(oracle, abs=1e-6)
            assert values.mean() == pytest.approx(trials.loc[trial_id, f"test_{name}"], rel=2e-3), (
                "the stored precision"
            )
    claims = results.claims().set_index("id")
    assert set(claims.loc[list(MEASURES[:4]), "test"]) == {"seeds and pictures crossed (Hillis)"}
    assert claims.loc[list(MEASURES[:4]), "withheld"].isna().all()
    assert "cannot be told picture by picture" in claims.loc["ece", "withheld"]


def test_of_more_classes_the_others_are_withheld_for_what_they_lack(tmp_path: Path) -> None:
    claims = orchestrator.load(swept(tmp_path, "[{name: digits, per_class: 20}]")).claims().set_index("id")
    assert pd.isna(claims.loc["cross_entropy", "withheld"])
    for name in MEASURES[1:4]:
        reason = claims.loc[name, "withheld"]
        assert reason.startswith(f"of more than two classes test_{name} is made of the probabilities of all of them")
    assert "test_top5_accuracy cannot be told picture by picture" in claims.loc["top5_accuracy", "withheld"]


def test_without_predictions_that_is_the_reason(tmp_path: Path) -> None:
    on = measure_named("test_cross_entropy")
    assert on is not None
    assert KeptPictures(ResultsPaths(tmp_path))(on, ["a", "b"]) == PREDICTIONS
