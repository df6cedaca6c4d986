"""The user's grid file: YAML to GridSpec, levels expanded lazily, every mistake reported with its place."""

from orchestrator.grid.reader import read_grid, read_text
from orchestrator.grid.settings import Resources, Wandb
from orchestrator.grid.spec import Axes, GridSpec

__all__ = ["Axes", "GridSpec", "Resources", "Wandb", "read_grid", "read_text"]
