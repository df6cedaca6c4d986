"""The axis of deployments as a grid has it: what is planned beside what it names."""

from pathlib import Path

from orchestrator.grid import read_grid
from trainables.deployments.distil import Distil


def test_its_rival_without_a_teacher_is_planned_with_it(tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "name: taught\naxes:\n  dataset: digits\n  model: cnn\n  optimizer: sgd\n"
        "  deployment: {name: distil, student: [{name: mlp, hidden: 8}, mlp], alpha: [0.5, 0.9], temperature: [2, 4]}\n"
    )
    levels = [level.parts[0].build() for level in read_grid(grid).axes.deployment]
    assert levels[0].name == "none"
    taught = [level.parameters() for level in levels if isinstance(level, Distil)]
    assert sorted((tuple(one["student"]["hidden"]), one["alpha"], one["temperature"]) for one in taught) == sorted(
        [(hidden, alpha, t) for hidden in ((8,), (128,)) for alpha in (0.5, 0.9) for t in (2.0, 4.0)]
        + [(hidden, 0.0, 4.0) for hidden in ((8,), (128,))]
    )
