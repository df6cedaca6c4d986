"""Cells that are tuned in the slots of a real Ray: as many as there are, the same is chosen."""

from pathlib import Path

import pandas as pd
import pytest

from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import every_trial
from tests.orchestrator.test_ray_sweep import measured, orch

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

GRID = """\
name: tuned
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [16]}, {name: cnn, channels: [4]}]
  optimizer: [sgd, adam]
seeds: 2
protocol: {epochs: 2}
tuning: {trials: 16, search: tpe, space: {optimizer.lr: [1e-5, 1, log]}}
wandb: {mode: disabled}
"""


def test_the_number_of_slots_changes_neither_what_is_tried_nor_what_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    found: dict[int, pd.DataFrame] = {}
    for slots in (1, 2, 4):
        (tmp_path / "cluster.yaml").write_text(f"cpus: {slots}\n")
        results = tmp_path / f"on-{slots}"
        ended = orch(tmp_path, "sweep", "grid.yaml", "-q", "--cluster", "cluster.yaml", "--results", str(results))
        assert ended.returncode == 0, ended.stderr
        attempts = pd.read_parquet(results / "attempts.parquet")
        assert attempts["slot"].nunique() == slots == at_once(attempts)
        trials = every_trial(ResultsPaths(results)).to_pandas()
        found[slots] = measured(trials).join(trials.set_index("trial_id")[["cell_id", "purpose", "tuned"]])
    assert found[1]["purpose"].value_counts().to_dict() == {"tuning": 64, "evaluation": 8}
    assert found[1].groupby("cell_id")["tuned"].nunique().eq(16).all(), "what is chosen is one of what was tried"
    for slots in (2, 4):
        pd.testing.assert_frame_equal(found[slots], found[1], check_exact=True)


def at_once(attempts: pd.DataFrame) -> int:
    """The most that were under way at a time."""
    begun = pd.Series(1, attempts["started_at"])
    ended = pd.Series(-1, attempts["finished_at"])
    return int(pd.concat([ended, begun]).sort_index(kind="stable").cumsum().max())
