"""The data sets of the section `update`: each data set of a grid as a stream, once for each number of blocks seen."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from orchestrator.grid.levels import Labels, Level, ParameterGrid, meaning
from orchestrator.grid.mistakes import Placed, flattened, grid_error
from orchestrator.grid.spec import GridSpec
from orchestrator.grid.values import Value, value_of
from orchestrator.plan.resolve import LocatedData, locate
from trainables.data.subset import SeededSplit
from trainables.dataset import DataLocation, Dataset
from trainables.interfaces import Measurement
from trainables.registry import registry

STREAM, SEEN = "stream", "seen"
"""Options of a data set."""


def stream_measurement(grid: GridSpec) -> Measurement | None:
    """What is found out about each net along the stream; None where the grid has none."""
    if grid.update is None:
        return None
    given = {} if grid.update.alpha is None else {"alpha": grid.update.alpha}
    return cast(Measurement, registry.get("measurement", "prequential").from_parameters(given))


def located_streams(
    grid: GridSpec, levels: Sequence[Level], location: DataLocation, dividing: SeededSplit
) -> Mapping[object, Sequence[LocatedData]]:
    """Of each level of the data-set axis, by its `meaning`, the data after each number of blocks that some policy asks for.

    Raises GridError where one comes as a stream already, or cannot.
    """
    if grid.update is None:
        return {}
    grids = list(_streams(grid, levels))
    labels = Labels(param_grid for _, param_grid in grids)
    by_level = {
        meaning(level.parts): [Level((part,), labels, level.at) for part in param_grid] for level, param_grid in grids
    }
    every = [stream for streams in by_level.values() for stream in streams]
    located = locate(every, location, grid.path, False, dividing)
    return {level: [located[meaning(stream.parts)] for stream in streams] for level, streams in by_level.items()}


def _streams(grid: GridSpec, levels: Iterable[Level]) -> Iterator[tuple[Level, ParameterGrid]]:
    assert grid.update is not None
    wrong: list[Placed] = []
    at = grid.written.places["update"]
    for level in {meaning(level.parts): level for level in levels}.values():
        part = level.parts[0]
        dataset = cast(Dataset, level.config)
        if dataset.stream is not None:
            message = "comes as a stream already; leave the option out, or the section `update`"
            wrong.append((part.at(STREAM), f"{level.label} {message}"))
            continue
        given = dataset.parameters() | {STREAM: grid.update.stream.model_dump(mode="json")}
        try:
            stages = [type(dataset).from_parameters({**given, SEEN: seen}) for seen in grid.update.seen]
        except ValidationError as unfit:
            reason = next(flattened(unfit))["msg"].removeprefix("Value error, ")
            wrong.append((at, f"{level.label}: {reason}"))
            continue
        values: dict[str, tuple[Value, ...]] = {key: (value,) for key, value in part.values.items()}
        values |= {STREAM: (value_of(stages[0], STREAM),), SEEN: tuple(value_of(stage, SEEN) for stage in stages)}
        places = {key: part.at(key) for key in part.values} | {STREAM: at, SEEN: at}
        yield level, ParameterGrid(part.component, values, stages[0], level.at, places, level.label)
    if wrong:
        raise grid_error(Path(grid.path), wrong)
