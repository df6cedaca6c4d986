"""The grids that measure deployments can be read, and plan what they say."""

from pathlib import Path

import pytest

from orchestrator.grid import read_grid

FOLDER = Path(__file__).parents[2] / "benchmarks" / "deployments"


@pytest.mark.parametrize(("name", "variants", "claims"), [("mnist", 4, 5), ("cifar", 1, 1), ("distil", 2, 1)])
def test_they_make_what_they_claim(name: str, variants: int, claims: int) -> None:
    grid = read_grid(FOLDER / f"{name}.yaml")
    assert grid.name == f"deployments-{name}"
    assert len(grid.claims) == claims
    assert len([level for level in grid.axes.deployment if level.label != "none"]) == variants
