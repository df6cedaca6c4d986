"""What the tests of sweeps that tune share."""

from pathlib import Path

import pytest

from tests.orchestrator.tuning.quick_sweep import GRID, Write


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes grid.yaml in the working folder."""
    monkeypatch.chdir(tmp_path)

    def written(optimizer: str = "[sgd, adam]", seeds: object = 2, epochs: int = 1, options: str = "") -> Path:
        grid = tmp_path / "grid.yaml"
        grid.write_text(GRID % (optimizer, seeds, epochs, options))
        return grid

    return written
