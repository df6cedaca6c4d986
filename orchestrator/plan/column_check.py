"""Whether the columns that a grid's measurements read are columns of its data's files."""

from collections.abc import Iterator, Sequence

from clusters.yaml_file import YamlList, find
from orchestrator.grid import GridSpec
from orchestrator.grid.mistakes import Placed
from orchestrator.plan.resolve import LocatedData
from trainables.data.image_dataset import HasColumns
from trainables.dataset import DataLocation
from trainables.errors import DataError
from trainables.interfaces import Measurement


class DataColumns:
    """The columns of the data's files, read where a measurement asks for one."""

    def __init__(self, every: Sequence[LocatedData], location: DataLocation) -> None:
        self._every, self._location = every, location
        self._of: dict[LocatedData, Sequence[str] | None] = {}

    def lacking(self, measurement: Measurement, data: LocatedData) -> str | None:
        """Return None, or in words which column of this data it lacks. Nothing is known of data that is missing."""
        message = measurement.lacking_column(lambda: self._columns(data) or ())
        return None if message is None or self._columns(data) is None else message

    def lacking_everywhere(self, measurement: Measurement) -> str | None:
        """The same of all data together; None where one data set has the column, or is missing."""
        if any(self.lacking(measurement, data) is None for data in self._every):
            return None
        every = dict.fromkeys(name for data in self._every for name in self._columns(data) or ())
        return measurement.lacking_column(lambda: list(every))

    def mistakes(self, grid: GridSpec) -> Iterator[Placed]:
        """Every measurement that the grid file names, and that lacks a column everywhere."""
        written = grid.written.get("measure")
        count = len(written) if isinstance(written, YamlList) else 1
        for index, measurement in enumerate(grid.measure[:count] if written is not None else ()):
            if (message := self.lacking_everywhere(measurement)) is not None:
                yield find(grid.written, grid.written.at, ("measure", index, "by")).at, message

    def _columns(self, data: LocatedData) -> Sequence[str] | None:
        """None where they cannot be told."""
        if data.info is None:
            return None
        if data not in self._of:
            try:
                has = data.dataset.columns(self._location) if isinstance(data.dataset, HasColumns) else ()
                self._of[data] = has
            except DataError:  # whoever reads it says so
                self._of[data] = None
        return self._of[data]
