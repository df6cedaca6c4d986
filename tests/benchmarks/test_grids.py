"""The grids that the benchmarks run are the ones they claim."""

from pathlib import Path

import pytest

from benchmarks.fashion.configurations import ALL, first, write_grid
from benchmarks.null_grid import write_null_grid
from orchestrator.grid import read_grid
from orchestrator.plan.plan import Plan
from trainables.dataset import DataLocation
from trainables.models.cnn import Cnn
from trainables.registry import registry


@pytest.mark.parametrize("trials", [1, 2, 7, 100, 101, 1000, 1250])
def test_a_null_grid_has_as_many_trials_as_asked_for(tmp_path: Path, trials: int) -> None:
    grid = read_grid(write_null_grid(tmp_path / "null.yaml", trials))
    plan = Plan(grid, DataLocation(data=None, beside=None, cache=tmp_path))
    assert len({trial.trial_id for trial in plan.trials()}) == trials


@pytest.mark.parametrize("trials", [1, 3, 4, 8, 12, 16, 32, 64])
def test_ours_and_the_peers_run_the_same_trials(tmp_path: Path, trials: int) -> None:
    axes = read_grid(write_grid(tmp_path / "grid.yaml", trials, epochs=2)).axes
    ours = {(optimizer.config, regularizer.configs) for optimizer in axes.optimizer for regularizer in axes.regularizer}
    peers = set()
    for one in first(trials):
        momentum = {"momentum": 0.9} if one.optimizer == "sgd" else {}
        parts = {"dropout": {"p": one.dropout}, "weight_decay": {"value": one.weight_decay}}
        peers.add(
            (
                registry.get("optimizer", one.optimizer).from_parameters({"lr": one.lr, **momentum}),
                tuple(registry.get("regularizer", name).from_parameters(given) for name, given in parts.items()),
            )
        )
    assert len(ours) == trials
    assert ours == peers


def test_the_whole_grid_is_4_optimizers_by_4_rates_by_2_decays_by_2_dropouts(tmp_path: Path) -> None:
    assert len(set(ALL)) == 64
    grid = read_grid(write_grid(tmp_path / "grid.yaml", 64, epochs=1))
    assert [level.config for level in grid.axes.model] == [Cnn(channels=(8, 16), hidden=(64,))]
    assert grid.protocol.batch_size == 128


@pytest.mark.parametrize("trials", [0, -1, 17, 63, 65])
def test_a_part_that_is_no_grid_is_refused(trials: int) -> None:
    with pytest.raises(ValueError, match="no part of the grid"):
        first(trials)
