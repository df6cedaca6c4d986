"""The column of images of a Parquet file: encoded ones, or the paths of files that hold them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainables.data.files import printable
from trainables.data.images import EncodedImage, raise_broken
from trainables.datasets._table_columns import TableFile, is_text, opened, refuse_what_grows
from trainables.errors import BrokenImage, DataError, UnfitOption

ROWS: Final = 256
"""That are read at once."""


class ImageColumn:
    """The images of one file, in the order of its rows."""

    def __init__(self, file: TableFile, image: str, folder: Path | None) -> None:
        """folder: where paths start from. Raises DataError, UnfitOption where rows hold paths and it is None."""
        self._path, self._image = file.path, image
        with opened(file.path) as table:
            check_images(table, file.path, image)
            refuse_what_grows(table, file.path)
            self._elsewhere = self._found(table, folder)

    @property
    def files(self) -> list[str]:
        """Return the files of the images that the table has no bytes of."""
        return list(dict.fromkeys(self._elsewhere.values()))

    def batches(self) -> Iterator[list[EncodedImage]]:
        row = 0
        with opened(self._path) as table:
            for cells in _cells(table, self._image):
                yield [self._encoded_image(row + place, cell.encoded) for place, cell in enumerate(cells)]
                row += len(cells)

    def _encoded_image(self, row: int, encoded: bytes | None) -> EncodedImage:
        file = self._elsewhere.get(row)
        if encoded is None and file is not None:
            return EncodedImage(f"{self._name(row)} ({printable(file)})", file)
        return EncodedImage(self._name(row), encoded or b"")

    def _name(self, row: int) -> str:
        return f"{printable(str(self._path))}#{row}"

    def _found(self, table: pq.ParquetFile, folder: Path | None) -> dict[int, str]:
        """Row to file, of the rows that hold a path in place of bytes."""
        if not _may_hold_paths(table, self._image):
            return {}
        rows: dict[int, str] = {}
        count = 0
        for cells in _cells(table, self._image):
            rows.update(
                {count + place: cell.path for place, cell in enumerate(cells) if cell.encoded is None and cell.path}
            )
            count += len(cells)
        if rows and folder is None:
            first = next(iter(rows))
            raise UnfitOption(
                "folder",
                f"{len(rows)} of {count} rows of {self._path} hold a path in place of an image, row {first} "
                f"{printable(rows[first])}; give the folder that the paths start from, as in `folder: images`",
            )
        return {} if folder is None else self._resolved(rows, folder.resolve())

    def _resolved(self, rows: dict[int, str], folder: Path) -> dict[int, str]:
        """Raises BrokenImage naming every row whose path leads to no file, or out of the folder."""
        broken: list[BrokenImage] = []
        files: dict[int, str] = {}
        for row, path in rows.items():
            file, why = file_within(folder, path)
            if why is not None:
                broken.append(BrokenImage(f"{self._name(row)} ({printable(path)})", why))
            files[row] = file
        raise_broken(broken)
        return files


def check_images(table: pq.ParquetFile, path: Path, image: str) -> None:
    """Raise DataError where there is no such column, or it holds no images."""
    schema = table.schema_arrow
    if schema.names.count(image) != 1:
        times = "no" if image not in schema.names else "more than one"
        raise DataError(f"{path} has {times} column {image!r}; it has {', '.join(schema.names)}")
    kind = schema.field(image).type
    if not (_is_bytes(kind) or is_text(kind) or _is_struct_of_either(kind)):
        raise DataError(f"the column {image!r} of {path} is {kind}, not encoded images (bytes), nor paths of some")


class Cell(NamedTuple):
    """What a row has of its image: the encoded image, or the path of one, or nothing."""

    encoded: bytes | None
    path: str | None


def _cells(table: pq.ParquetFile, image: str) -> Iterator[list[Cell]]:
    return (cells_of(batch.column(0)) for batch in table.iter_batches(ROWS, columns=[image]))


def cells_of(column: pa.Array) -> list[Cell]:
    """The rows of a column that `check_images` has found fit."""
    if not pa.types.is_struct(column.type):
        return [Cell(None, value) if isinstance(value, str) else Cell(value, None) for value in column.to_pylist()]
    fields = [_field(column, name) for name in ("bytes", "path")]
    return [Cell(encoded, path) for encoded, path in zip(*fields, strict=True)]


def _field(column: pa.StructArray, name: str) -> list[object]:
    if column.type.get_field_index(name) < 0:
        return [None] * len(column)
    return list(pc.struct_field(column, name).to_pylist())


def _may_hold_paths(table: pq.ParquetFile, image: str) -> bool:
    """False where the file's own statistics say that each row has bytes; they are read without reading any image."""
    kind = table.schema_arrow.field(image).type
    if _is_bytes(kind):
        return False
    if is_text(kind) or kind.get_field_index("bytes") < 0:
        return True
    groups = [table.metadata.row_group(number) for number in range(table.metadata.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    statistics = [column.statistics for column in columns if column.path_in_schema == f"{image}.bytes"]
    return not statistics or any(
        known is None or not known.has_null_count or known.null_count > 0 for known in statistics
    )


def file_within(folder: Path, name: str) -> tuple[str, str | None]:
    """The file that a path names, and why it cannot be read, if so. Links are followed, and may not lead out either."""
    try:
        file = (folder / name.replace("\\", "/")).resolve()
        if not file.is_relative_to(folder):
            return "", f"it leads out of {folder}, and images are read only below that"
        if not file.is_file():
            return "", "it is not a regular file" if file.exists() else f"no such file below {folder}"
    except (OSError, ValueError, RuntimeError) as refused:  # a name with a NUL, of any length, or a link to itself
        return "", str(refused)
    return str(file), None


def _is_struct_of_either(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind):
        return False
    encoded, path = kind.get_field_index("bytes"), kind.get_field_index("path")
    # a field that no row has is of no type
    fit_bytes = encoded < 0 or pa.types.is_null(kind.field(encoded).type) or _is_bytes(kind.field(encoded).type)
    fit_path = path < 0 or pa.types.is_null(kind.field(path).type) or is_text(kind.field(path).type)
    return fit_bytes and fit_path and max(encoded, path) >= 0


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))
