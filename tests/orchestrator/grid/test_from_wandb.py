"""Grids that are made of W&B sweep files: each reads as it stands, and says what it could not take over."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import init
from orchestrator.errors import GridError, UserError
from orchestrator.grid import GridSpec, read_grid

SWEEP = """\
program: train.py
project: birds
entity: lab
method: %s
metric: {name: val/acc, goal: maximize}
run_cap: 30
early_terminate: {type: hyperband, min_iter: 3}
command: ["${env}", rm, -rf, /]
parameters:
  model: {values: [resnet18, CNN, weird-net]}
  optim:
    parameters:
      optimizer: {values: [Adam, SGD]}
      learning_rate: %s
      momentum: {values: [0.8, 0.9]}
  dropout: {values: [0.0, 0.3, 0.5]}
  batch_size: {values: [32, 64]}
  epochs: {value: 20}
  seed: {values: [1, 2, 3]}
  fancy: {distribution: normal, mu: 0, sigma: 1}
"""
RANGE = "{min: 0.0001, max: 0.1, distribution: log_uniform_values}"


def init_from(folder: Path, sweep: str) -> Result:
    (folder / "sweep.yaml").write_text(sweep)
    return CliRunner().invoke(init.command, [str(folder / "grid.yaml"), "--from-wandb", str(folder / "sweep.yaml")])


def grid_of(folder: Path, sweep: str) -> tuple[GridSpec, str]:
    made = init_from(folder, sweep)
    assert made.exit_code == 0, (made.output, made.exception)
    return read_grid(folder / "grid.yaml"), (folder / "grid.yaml").read_text()


def test_a_grid_search_becomes_levels(tmp_path: Path) -> None:
    grid, text = grid_of(tmp_path, SWEEP % ("grid", "{values: [0.1, 0.01]}"))
    levels = {axis: [level.label for level in getattr(grid.axes, axis)] for axis in grid.axes._fields}
    assert levels["dataset"] == ["digits"]
    assert levels["model"] == ["torchvision:resnet18", "cnn"]
    assert len(levels["optimizer"]) == 2 + 2 * 2  # rates of adam, and rates by momenta of sgd
    assert levels["regularizer"] == ["none", "dropout(p=0.3)", "dropout(p=0.5)"]
    assert (list(grid.seeds), grid.protocol.epochs, grid.protocol.batch_size) == ([1, 2, 3], 20, 32)
    assert (grid.protocol.select, grid.tuning) == ("val_accuracy", None)
    assert (grid.wandb.project, grid.wandb.entity) == ("birds", "lab")
    for line in (
        '#   model "weird-net": orch has none of that name (`orch list models`)',
        "#   dataset: the sweep does not say which; digits is used in its place",
        "#   batch_size [32, 64]: one value for all trials, 32 is taken",
    ):
        assert line in text.splitlines()
    assert "#   fancy" in text
    assert "rm" not in text.split()


@pytest.mark.parametrize(("method", "search"), [("random", "random"), ("bayes", "tpe")])
def test_ranges_are_tuned(tmp_path: Path, method: str, search: str) -> None:
    grid, _ = grid_of(tmp_path, SWEEP % (method, RANGE))
    assert grid.tuning is not None
    assert (grid.tuning.trials, grid.tuning.search, grid.tuning.scheduler) == (30, search, "asha")
    assert {opened.name: opened.domain.written() for opened in grid.tuning.space} == {
        "optimizer.lr": [0.0001, 0.1, "log"],
        "optimizer.momentum": [0.8, 0.9],
    }
    assert len(grid.axes.optimizer) == 2


def test_natural_logarithms_are_the_ends_of_log_uniform(tmp_path: Path) -> None:
    sweep = "method: random\nparameters: {lr: {min: -4.605170186, max: 0, distribution: log_uniform}}\n"
    grid, _ = grid_of(tmp_path, sweep)
    assert grid.tuning is not None
    low, high, scale = grid.tuning.space[0].domain.written()
    assert (low, high, scale) == (pytest.approx(0.01), 1.0, "log")


@pytest.mark.parametrize(
    "parameters",
    [
        "{lr: 0.1}",
        "{lr: {values: []}}",
        "{lr: {min: 1, max: 0.1}}",
        "{lr: {min: .nan, max: 1}}",
        "{lr: {min: 0, max: 1e9, distribution: log_uniform}}",
        '{"a # b: {c": {value: 1}}',
        '{x: {values: ["a # name: other"]}, model: {values: ["cnn}]: x", cnn]}}',
        "{dataset: {value: ../../etc}, model: {value: 7}, optimizer: {values: [null]}}",
        "{seed: {min: 1, max: 10}, epochs: {min: 1, max: 2}, lr_scheduler: {value: cosine}}",
        "{lr: {value: 0.1}, learning_rate: {value: 0.2}}",
    ],
)
def test_whatever_a_sweep_holds_the_grid_reads(tmp_path: Path, parameters: str) -> None:
    grid, text = grid_of(tmp_path, f"method: grid\nparameters: {parameters}\n")
    assert grid.name == "grid"
    assert len(grid.axes.model) == 1
    assert "# Not taken over:" in text


def test_what_a_grid_may_not_have_is_said_at_its_line(tmp_path: Path) -> None:
    made = init_from(tmp_path, "method: grid\nparameters: {dropout: {value: 1.5}}\n")
    assert isinstance(made.exception, GridError)
    assert "p" in str(made.exception) and "grid.yaml:" in str(made.exception)
    assert (tmp_path / "grid.yaml").exists()  # to be mended there


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("method: grid\n", "sweep.yaml:1:1: a W&B sweep file has a mapping of parameters; this has none"),
        ("parameters: [lr]\n", "sweep.yaml:1:13: a W&B sweep file has a mapping of parameters; this has none"),
        ('parameters: {x: {values: ["a\\nname: other"]}}\n', "sweep.yaml:1:27: a value that contains"),
        ("parameters: {x: {value: !!python/name:os.system 1}}\n", "sweep.yaml:1:25: "),
    ],
)
def test_what_is_no_sweep_file_is_refused_and_nothing_is_written(tmp_path: Path, sweep: str, message: str) -> None:
    made = init_from(tmp_path, sweep)
    assert isinstance(made.exception, GridError)
    assert message in str(made.exception)
    assert not (tmp_path / "grid.yaml").exists()


def test_a_sweep_file_that_is_not_there(tmp_path: Path) -> None:
    missing = CliRunner().invoke(
        init.command, [str(tmp_path / "grid.yaml"), "--from-wandb", str(tmp_path / "none.yaml")]
    )
    assert isinstance(missing.exception, UserError)
    assert not (tmp_path / "grid.yaml").exists()
