"""The grids of `make paper` claim what they say on enough seeds to tell."""

from pathlib import Path

import pytest

from orchestrator.grid import read_grid
from orchestrator.grid.claims import min_seeds

GRIDS = sorted((Path(__file__).parents[3] / "examples" / "paper").glob("*.yaml"))


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_a_grid_has_claims_and_seeds_that_can_decide_them(path: Path) -> None:
    grid = read_grid(path)
    assert grid.claims
    assert not grid.warnings
    assert len(grid.seeds) >= max(10, min_seeds(len(grid.claims)))


def test_no_id_stands_in_two_grids() -> None:
    ids = [claim.id for path in GRIDS for claim in read_grid(path).claims]
    assert len(ids) == len(set(ids)) >= 16
