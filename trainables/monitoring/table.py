"""Pictures out of a Parquet file, row by row as it is read, with their labels where it has some."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.data.files import printable
from trainables.data.images import EncodedImage
from trainables.datasets._image_table import class_names
from trainables.datasets._table_columns import opened, refuse_what_grows
from trainables.datasets._table_images import ROWS, Cell, cells_of, check_images, file_within
from trainables.errors import DataError
from trainables.monitoring.window import NO_LABEL, UNKNOWN, Picture

_LABEL: Final = "label"
_EMPTY: Final = "it is empty"


@dataclass(frozen=True, slots=True)
class PictureTable:
    """A file of which only some rows are in memory at a time."""

    path: Path
    image: str
    """The column of encoded images, or of paths below the file's folder."""
    label: str | None
    """The column of labels; None where it has none that can be used."""
    names: tuple[str, ...]
    """Of the classes that whole numbers stand for; none where they stand for themselves."""
    classes: tuple[str, ...]
    """The net's."""
    note: str | None = None
    """Why it is taken as without labels."""

    @classmethod
    def of(cls, path: Path, classes: Sequence[str], image: str = "image", label: str | None = None) -> "PictureTable":
        """label: the column; unless given `label`, where it is there and of the net's classes. Raises DataError."""
        named = label or _LABEL
        with opened(path) as file:
            check_images(file, path, image)
            refuse_what_grows(file, path)
            table = cls(path, image, named, (), tuple(classes))
            reason = table._unfit(file)
            if reason is None:
                table = cls(
                    path, image, named, class_names(file.schema_arrow.metadata or {}, named, path), tuple(classes)
                )
                reason = table._of_other_classes(file)
        if reason is None:
            return table
        if label is not None:
            raise DataError(f"{path}: {reason}")
        absent = named not in file.schema_arrow.names
        return cls(path, image, None, (), tuple(classes), None if absent else f"{reason}; it counts as without labels")

    def pictures(self) -> Iterator[Picture]:
        """Raises DataError where it is damaged further on."""
        columns = [self.image] if self.label is None else [self.image, self.label]
        folder, row = self.path.resolve().parent, 0
        with opened(self.path) as file:
            for batch in file.iter_batches(ROWS, columns=columns):
                labels = [NO_LABEL] * len(batch) if self.label is None else self._labels(batch.column(self.label))
                for cell, label in zip(cells_of(batch.column(self.image)), labels, strict=True):
                    yield _picture(f"{printable(str(self.path))}#{row}", cell, folder, label)
                    row += 1

    def _unfit(self, file: pq.ParquetFile) -> str | None:
        """Why the column is none of labels."""
        assert self.label is not None
        times = file.schema_arrow.names.count(self.label)
        if times != 1:
            return f"there is {'more than one' if times else 'no'} column {self.label!r}"
        kind = file.schema_arrow.field(self.label).type
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
        if not any(fits(plain) for fits in (pa.types.is_integer, pa.types.is_boolean, *texts)):
            return f"the column {self.label!r} is {kind}, and labels are whole numbers, texts or booleans"
        return None

    def _of_other_classes(self, file: pq.ParquetFile) -> str | None:
        """Why its labels say nothing of the net's answers: not one of them is a class of it."""
        labels = (self._labels(batch.column(0)) for batch in file.iter_batches(1 << 16, columns=[self.label]))
        if any(label >= 0 for some in labels for label in some):
            return None
        return f"no value of the column {self.label!r} is one of the net's classes ({_some(self.classes)})"

    def _labels(self, column: pa.Array) -> list[int]:
        known = {name: index for index, name in enumerate(self.classes)}
        return [NO_LABEL if value is None else known.get(self._name(value), UNKNOWN) for value in column.to_pylist()]

    def _name(self, value: bool | int | str) -> str:
        if isinstance(value, bool):
            value = int(value) if self.names else str(value).lower()
        if isinstance(value, int) and self.names:
            return self.names[value] if 0 <= value < len(self.names) else ""
        return str(value)


def _picture(name: str, cell: Cell, folder: Path, label: int) -> Picture:
    if cell.encoded is not None:
        return Picture(name, EncodedImage(name, cell.encoded), label=label)
    if not cell.path:
        return Picture(name, None, _EMPTY, label)
    file, reason = file_within(folder, cell.path)
    named = f"{name} ({printable(cell.path)})"
    return Picture(named, EncodedImage(named, file) if reason is None else None, reason, label)


def _some(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(printable(name) for name in names[:most])
    return f"{shown}, ..." if len(names) > most else shown
