"""A task of another package, in one file: its targets and its scores, from the sweep to the page."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from results_schema import CLASSES, CURVES, OF_MEASUREMENTS, TABLES, THRESHOLDS, TRIAL_TABLES
from tests import forks
from tests.orchestrator.processes import PATIENCE, ROOT, environment
from trainables.columns import scores_in
from trainables.task import tasks

PLUGIN = ROOT / "tests" / "plugins" / "segmentation.py"
NUMBERS = ROOT / "tests" / "plugins" / "brightness.py"
DATASETS = "[digit_masks, digits, brightness]"
GRID = """\
name: masks
axes:
  dataset: %s
  model: [{name: mlp, hidden: [32]}]
  optimizer: [{name: adam, lr: [0.01, 0.0001]}]
  regularizer: [none]
seeds: 2
protocol: {epochs: 3}
wandb: {mode: disabled}
claims:
  - id: quick
    text: A greater learning rate finds more of the ink
    higher: {optimizer: "adam(lr=0.01)", dataset: digit_masks}
    than: {optimizer: "adam(lr=0.0001)", dataset: digit_masks}
    on: test_mean_iou
"""
SWEEP = """\
import sys
from pathlib import Path
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import SweepRequest, run_sweep
run_sweep(SweepRequest(grid=Path(sys.argv[1]), engine="inline"), SilentProgress())
"""


def install(folder: Path) -> Path:
    """What pip leaves in site-packages of a package with a task and a data set."""
    shutil.copy(PLUGIN, folder / "masks.py")
    shutil.copy(NUMBERS, folder / "numbers_of_digits.py")
    described = folder / "masks-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: masks\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(
        "[orch.datasets]\ndigit_masks = masks:DigitMasks\nbrightness = numbers_of_digits:Brightness\n\n"
        "[orch.tasks]\nsegmentation = masks:Segmentation\n"
    )
    return folder


def python(folder: Path, *arguments: str, site: Path | None) -> subprocess.CompletedProcess[str]:
    """site: where the plug-in is installed; None where it is not."""
    path = os.pathsep.join(str(part) for part in (site, ROOT) if part is not None)
    return forks.run(folder, arguments, environment() | {"PYTHONPATH": path}, PATIENCE)


def orch(folder: Path, *arguments: str, site: Path | None) -> subprocess.CompletedProcess[str]:
    return python(folder, "-m", "orchestrator", *arguments, site=site)


def sweep(folder: Path, datasets: str, site: Path | None, *, claims: bool = True) -> subprocess.CompletedProcess[str]:
    grid = GRID if claims else GRID.partition("claims:")[0]
    (folder / "grid.yaml").write_text(grid.replace("%s", datasets))
    return python(folder, "-c", SWEEP, "grid.yaml", site=site)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of a sweep, and `site`, where the plug-in is installed."""
    folder = tmp_path_factory.mktemp("masks")
    (folder / "site").mkdir()
    ended = sweep(folder, DATASETS, install(folder / "site"))
    assert ended.returncode == 0, ended.stderr
    return folder


def table(folder: Path, name: str = "trials") -> pd.DataFrame:
    return pd.read_parquet(folder / "results" / "masks" / f"{name}.parquet")


def test_its_scores_are_columns_of_every_split_and_epoch(place: Path) -> None:
    trials = table(place)
    masks, digits = (trials[trials["dataset"] == name] for name in ("digit_masks", "digits"))
    assert set(trials["status"]) == {"completed"}
    for split in ("train", "val", "test"):
        assert masks[f"{split}_mean_iou"].between(0, 1).all()
        assert masks[f"{split}_pixel_accuracy"].between(0, 1).all()
        assert digits[f"{split}_mean_iou"].isna().all()
        assert masks[f"{split}_accuracy"].isna().all()
    assert masks.loc[masks["optimizer"] == "adam(lr=0.01)", "test_mean_iou"].min() > 0.5
    epochs = table(place, "epochs").merge(masks[["trial_id"]], on="trial_id")
    assert epochs["val_mean_iou"].notna().all()
    assert epochs["val_loss"].gt(0).all()
    assert epochs["val_pixel_cross_entropy"].notna().all()  # whatever is measured may be selected on


@pytest.mark.parametrize("dataset", ["digit_masks", "digits", "brightness"])
def test_every_column_is_filled_for_each_task_or_says_where_it_is_null(place: Path, dataset: str) -> None:
    trials = table(place)
    ids = trials.loc[trials["dataset"] == dataset, "trial_id"]
    of_others = {name for task in tasks() for name in scores_in(task.scores)} | {"loss"}
    for described in TABLES:
        rows = table(place, described.name)
        if "trial_id" in rows:
            rows = rows[rows["trial_id"].isin(ids)]
        if rows.empty:
            assert described in (*TRIAL_TABLES[1:], CLASSES, CURVES, THRESHOLDS, *OF_MEASUREMENTS)
            continue
        for column in described.fields:
            is_empty = bool(rows[column.name].isna().all())
            score = column.name.partition("_")[2]
            assert not is_empty or score in of_others or "null" in column.about.lower(), (described.name, column.name)


def test_classes_and_numbers_are_kept_in_one_table_and_masks_are_not(place: Path) -> None:
    trials = table(place).set_index("trial_id")
    said = table(place, "predictions").merge(table(place, "examples"), on=["split_id", "position"])
    assert set(trials.loc[said["trial_id"].unique(), "dataset"]) == {"digits", "brightness"}
    error = (said["predicted"].astype(float) - said["target"].astype(float)).pow(2).groupby(said["trial_id"]).mean()
    right = (said["predicted"] == said["target"]).groupby(said["trial_id"]).mean()
    numbers, classes = trials[trials["dataset"] == "brightness"], trials[trials["dataset"] == "digits"]
    assert error[numbers.index].tolist() == pytest.approx(numbers["test_mse"].tolist(), rel=1e-9)
    assert right[classes.index].tolist() == pytest.approx(classes["test_accuracy"].tolist(), abs=1e-12)
    assert said.loc[said["trial_id"].isin(numbers.index), "probability"].isna().all()
    assert trials["split_id"].isna().equals(trials["dataset"] == "digit_masks")


def test_the_epoch_with_its_best_measure_is_selected(place: Path) -> None:
    epochs, trials = table(place, "epochs"), table(place).set_index("trial_id")
    for trial_id, rows in epochs[epochs["val_mean_iou"].notna()].groupby("trial_id"):
        best = rows.loc[rows["val_mean_iou"].idxmax()]
        assert trials.loc[trial_id, "best_epoch"] == best["epoch"]
        assert trials.loc[trial_id, "val_mean_iou"] == pytest.approx(best["val_mean_iou"])


def test_the_page_ranks_and_draws_by_its_measure(place: Path) -> None:
    ended = orch(place, "report", "results/masks", site=place / "site")
    assert ended.returncode == 0, ended.stderr
    page = (place / "results" / "masks" / "report.html").read_text()
    for words in ("test mean IoU", "validation mean IoU", "test pixel accuracy", "test accuracy"):
        assert words in page


def test_listings_claims_and_logs_know_its_measure(place: Path) -> None:
    site = place / "site"
    listed = orch(place, "results", "results/masks", "--json", "--where", "dataset=digit_masks", site=site)
    rows = json.loads(listed.stdout)
    assert [row["val_mean_iou"] for row in rows] == sorted((row["val_mean_iou"] for row in rows), reverse=True)
    assert {"test_mean_iou", "test_pixel_accuracy"} <= rows[0].keys()
    told = orch(place, "logs", "results/masks", rows[0]["trial_id"], site=site)
    assert "val_mean_iou" in told.stdout
    ask = "import orchestrator; print(orchestrator.load('results/masks').claims()['verdict'].to_list())"
    judged = python(place, "-c", ask, site=site)
    assert judged.returncode == 0, judged.stderr
    assert judged.stdout.strip() in {"['supported']", "['inconclusive']"}


def test_results_are_read_and_verified_without_it_and_not_written(place: Path) -> None:
    listed = orch(place, "results", "results/masks", "--json", "--columns", "test_mean_iou", site=None)
    assert listed.returncode == 0, listed.stderr
    assert any(row["test_mean_iou"] is not None for row in json.loads(listed.stdout))
    assert orch(place, "verify", "results/masks", site=None).returncode == 0
    refused = sweep(place, "[digits]", None, claims=False)
    assert "mean_iou, of a task that is not installed here" in refused.stderr


def test_results_of_before_it_was_installed_go_on_with_it(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    site = install(tmp_path / "site")
    grid = GRID.partition("claims:")[0]
    (tmp_path / "grid.yaml").write_text(grid % "[digits]")
    assert python(tmp_path, "-c", SWEEP, "grid.yaml", site=None).returncode == 0
    assert orch(tmp_path, "status", "results/masks", site=site).returncode == 0
    before = table(tmp_path)
    assert "test_mean_iou" not in before
    (tmp_path / "grid.yaml").write_text(grid % DATASETS)
    ended = python(tmp_path, "-c", SWEEP, "grid.yaml", site=site)
    assert ended.returncode == 0, ended.stderr
    after = table(tmp_path)
    assert after["test_mean_iou"].notna().sum() == 4
    kept = after.set_index("trial_id").loc[before["trial_id"], "finished_at"]
    assert kept.to_list() == before["finished_at"].to_list()  # not one of them ran again


def test_what_moves_pixels_without_their_targets_is_a_reason_to_skip(place: Path) -> None:
    grid = GRID.partition("claims:")[0] % "[{name: digit_masks, resize: 16}, digit_masks]"
    (place / "moved.yaml").write_text(grid.replace("[none]", "[{name: augment, flip: true}]"))
    planned = orch(place, "plan", "moved.yaml", site=place / "site")
    assert planned.returncode == 2  # nothing can run
    assert "resize changes images, but the targets of digit_masks are tied to their pixels" in planned.stdout
    assert "targets of digit_masks are tied to the pixels of its images, and would not move with them" in planned.stdout


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("mean_iou", "accuracy"), "train_accuracy is a column of another task, which declares it otherwise"),
        (("mean_iou", "seconds"), "train_seconds is already a column"),
        (("scores: ClassVar[type[Scores]] = ", "others: ClassVar[type[Scores]] = "), "declares no `scores`"),
        (("scores: ClassVar[type[Scores]] = SegmentationScores", "def scores(self): ..."), "declares no `scores`"),
        (
            ("    mean_iou: Annotated[\n        float", "    mean_iou: Annotated[\n        list"),
            "its score mean_iou is not a float",
        ),
        (
            ("    mean_iou: Annotated[\n        float", "    mean_iou: Annotated[\n        Nowhere"),
            "scores cannot be read",
        ),
        (('"val_mean_iou"', '"val_best"'), "selects on val_best"),
        (('loss_score: ClassVar[str] = "pixel_', 'loss_score: ClassVar[str] = "'), "its loss should be cross_entropy"),
    ],
)
def test_a_task_whose_columns_are_taken_is_refused_where_it_is_needed(
    tmp_path: Path, change: tuple[str, str], why: str
) -> None:
    (tmp_path / "site").mkdir()
    site = install(tmp_path / "site")
    plugin = site / "masks.py"
    plugin.write_text(plugin.read_text().replace(*change))
    (tmp_path / "grid.yaml").write_text(GRID.partition("claims:")[0] % DATASETS)
    refused = orch(tmp_path, "plan", "grid.yaml", site=site)
    assert refused.returncode == 2
    assert why in " ".join(refused.stderr.split())
    (tmp_path / "grid.yaml").write_text(GRID.partition("claims:")[0] % "[digits]")
    assert orch(tmp_path, "plan", "grid.yaml", site=site).returncode == 0  # nobody else is held up by it
