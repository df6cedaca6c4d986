"""Whether the classes that a grid's measures name, as `val_recall[defect]` does, are classes of its data."""

from collections.abc import Iterator, Sequence

from clusters.yaml_file import At
from orchestrator.grid import GridSpec
from orchestrator.grid.mistakes import Placed, near
from orchestrator.plan.resolve import LocatedData
from trainables.columns import ClassMeasure


def unknown_classes(grid: GridSpec, every: Sequence[LocatedData]) -> Iterator[Placed]:
    """Every measure of a class that none of the data has; and of training and validation, where that class alone is measured
    which a data set calls positive, of one that none calls so. Nothing is said where some data is missing.
    """
    if any(data.info is None for data in every):
        return
    classes = list(dict.fromkeys(name for data in every if data.info is not None for name in data.info.classes))
    positive = {data.info.positive for data in every if data.info is not None}
    for at, subject, measure in _named(grid):
        if measure.of not in classes:
            hint = near(measure.of, classes) if classes else "its data have no classes"
            yield at, f"{subject} {measure}, but no data set has a class {measure.of!r}; {hint}"
        elif measure.split != "test_" and measure.of not in positive:
            yield (
                at,
                f"{subject} {measure}, but on training and validation only the class that a data set names as `positive` is"
                f" measured: add `positive: {measure.of}` to the level of `dataset` that has this class",
            )


def _named(grid: GridSpec) -> Iterator[tuple[At, str, ClassMeasure]]:
    """Where each stands, and what a message about it begins with."""
    if (measure := ClassMeasure.read(grid.protocol.select or "")) is not None:
        yield grid.written["protocol"].places["select"], "protocol.select is", measure
    for override in grid.overrides:
        for setting in override.settings.get("protocol", ()):
            if setting.keys == ("select",) and (measure := ClassMeasure.read(str(setting.value))) is not None:
                yield setting.at, f"{override.name}: protocol.select is", measure
    for claim in grid.claims:
        if (measure := claim.on.of_class) is not None:
            yield claim.at, f"the claim {claim.id} is on", measure
