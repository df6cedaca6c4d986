"""What a plan puts behind each cell that trains: what is found out about its nets, and its nets along a stream."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from orchestrator.grid.levels import meaning
from orchestrator.grid.spec import GridSpec
from orchestrator.plan.cell import Cell
from orchestrator.plan.column_check import DataColumns
from orchestrator.plan.resolve import LocatedData
from orchestrator.plan.support import Support
from orchestrator.plan.updating import located_streams, stream_measurement
from trainables.data.subset import SeededSplit
from trainables.dataset import DataLocation
from trainables.interfaces import Measurement
from trainables.spec import measurement_identity


class Beside:
    """The cells that measure others (`measure`), and those that train along a stream (`update`)."""

    def __init__(
        self,
        grid: GridSpec,
        data: Sequence[LocatedData],
        columns: DataColumns,
        support: Support,
        location: DataLocation,
        dividing: SeededSplit,
    ) -> None:
        """Raises GridError where some data cannot come as a stream."""
        self._measured = grid.measure
        self._along = stream_measurement(grid)
        self._streams = located_streams(grid, [each.level for each in data], location, dividing)
        self._columns = columns
        self._support = support

    @property
    def streams(self) -> tuple[LocatedData, ...]:
        """The data along which nets are trained again."""
        return tuple(stream for streams in self._streams.values() for stream in streams)

    def cells(self, cell: Cell) -> Iterator[Cell]:
        """Those behind a cell; none where it trains no nets."""
        if cell.skip is not None or cell.is_variant or cell.protocol.schedule.is_range_test:
            return
        for measurement in self._measured:
            yield self._measuring(cell, measurement)
        if self._along is None:
            return
        for data in self._streams_of(cell):
            made = cell._replace(data=data, settings=cell.settings.unpredicted(), is_update=True)
            measured = self._measuring(made, self._along)
            if (reason := data.unsupported or measured.skip) is not None:  # nets of which nothing is found out are none
                yield made._replace(skip=reason)
            else:
                yield from (made, measured)

    def identities(self, identity: bytes, cell: Callable[[], Cell]) -> Iterator[bytes]:
        """Theirs. identity: of the cell that they are behind; cell: makes it, where there are streams."""
        yield from (measurement_identity(identity, digest) for digest in self._digests)
        if self._along is None:
            return
        trained = cell()
        for data in self._streams_of(trained):
            stage = b"" if data.missing is not None else trained._replace(data=data).identity
            yield from (stage, measurement_identity(stage, self._along.digest()))

    @cached_property
    def _digests(self) -> tuple[bytes, ...]:
        return tuple(measurement.digest() for measurement in self._measured)

    def _measuring(self, cell: Cell, measurement: Measurement) -> Cell:
        reason = self._support.of_measurement(cell.data, cell.model, measurement)
        skip = reason or self._columns.lacking(measurement, cell.data)
        return cell._replace(measurement=measurement, skip=skip)

    def _streams_of(self, cell: Cell) -> Sequence[LocatedData]:
        return self._streams[meaning(cell.data.level.parts)]
