"""A package outside adds a numeric data set and a regularizer in one short file, found by their entry points."""

import json
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import forks

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "tests" / "plugins"


def install(folder: Path) -> None:
    """What pip leaves in site-packages of a package with these two entry points."""
    shutil.copy(PLUGINS / "brightness.py", folder / "myplugin.py")
    described = folder / "myplugin-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: myplugin\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(
        "[orch.datasets]\nbrightness = myplugin:Brightness\n\n[orch.regularizers]\nprobe = myplugin:Probe\n"
    )


def python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    return forks.run(ROOT, arguments, environment, timeout=280)


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    site = tmp_path_factory.mktemp("site")
    install(site)
    ended = python(site, str(PLUGINS / "run_brightness.py"), str(tmp_path_factory.mktemp("cache")))
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_squared_error_arrives_in_every_split(trials: dict[str, Any]) -> None:
    result = trials["plain"]["result"]
    assert result["status"] == "completed"
    for split in ("train", "val", "test"):
        scores = result[split]
        assert scores["loss"] == scores["mse"] > 0
        assert scores["r2"] > 0.9
        assert 0 < scores["mae"] <= math.sqrt(scores["mse"])  # Jensen: a mean is never above its quadratic mean
        assert set(scores) == {"loss", "mse", "mae", "r2"}
    assert result["breakdown"] == {"curves": []}


def test_every_epoch_has_the_squared_error_and_the_best_one_is_selected(trials: dict[str, Any]) -> None:
    epochs, result = trials["plain"]["epochs"], trials["plain"]["result"]
    assert [row["epoch"] for row in epochs] == [*range(1, 11)]
    assert all(row["val_loss"] == row["val_mse"] and row["val_mae"] > 0 for row in epochs)
    assert all("val_accuracy" not in row and row["train_accuracy"] is None for row in epochs)
    best = min(epochs, key=lambda row: row["val_loss"])
    assert best["epoch"] == result["best_epoch"]
    assert best["val_r2"] == pytest.approx(result["val"]["r2"], rel=1e-6)


def test_the_model_hook_is_effective(trials: dict[str, Any]) -> None:
    result = trials["model"]["result"]
    assert result["costs"]["trainable_parameters"] == 1  # all but the bias of the output are frozen at 0
    assert result["test"]["r2"] < 0.1


@pytest.mark.parametrize("hook", ["parameter_groups", "gradients"])
def test_the_hooks_of_parameter_groups_and_gradients_are_effective(trials: dict[str, Any], hook: str) -> None:
    losses = {row["val_loss"] for row in trials[hook]["epochs"]}
    assert len(losses) == 1  # nothing moves at a learning rate of 0, nor without a gradient
    assert len({row["val_loss"] for row in trials["plain"]["epochs"]}) == 10


def test_the_loss_hook_is_effective_in_training_alone(trials: dict[str, Any]) -> None:
    plain, scaled = trials["plain"]["epochs"], trials["loss"]["epochs"]
    assert scaled[0]["train_loss"] == pytest.approx(1000 * plain[0]["train_loss"], rel=0.01)  # Adam ignores the scale
    assert scaled[0]["val_loss"] == pytest.approx(plain[0]["val_loss"], rel=0.01)


def test_the_batch_hook_is_effective_in_training_alone(trials: dict[str, Any]) -> None:
    # The targets that it learnt are 1 too large; those of validation are not.
    assert trials["batch"]["epochs"][-1]["val_mae"] == pytest.approx(1, abs=0.1)
    assert trials["batch"]["epochs"][-1]["train_loss"] < 0.1


def test_the_stopping_hook_is_effective(trials: dict[str, Any]) -> None:
    assert trials["stopping"]["result"]["status"] == "completed"
    assert trials["stopping"]["result"]["epochs"] == len(trials["stopping"]["epochs"]) == 2


def test_names_of_plugins_stand_beside_the_built_in_ones_without_an_import(tmp_path: Path) -> None:
    install(tmp_path)
    ask = "import sys; from trainables.registry import registry; names = {*registry.names('dataset')}"
    printed = python(tmp_path, "-c", f"{ask}; print({{'brightness', 'digits'}} <= names, 'myplugin' in sys.modules)")
    assert printed.stdout == "True False\n", printed.stderr


def test_a_plugin_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    install(tmp_path)
    (tmp_path / "myplugin.py").write_text("import missing_library\n")
    failed = python(tmp_path, "-c", "from trainables.registry import registry; registry.get('dataset', 'brightness')")
    assert "the dataset 'brightness' (myplugin:Brightness) cannot be imported" in failed.stderr
    assert "missing_library" in failed.stderr
