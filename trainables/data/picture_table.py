"""Pictures in Parquet files with a column of encoded images and one of labels, as data hubs publish them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trainables.data.class_names import class_names
from trainables.data.content import LARGE, digest_of_files
from trainables.data.picture_dataset import PictureSource
from trainables.data.pictures import Picture
from trainables.data.printable import printable
from trainables.errors import DataError, DataMissing, UnfitOption

_BATCH: Final = 256
_SMALL: Final = 256 << 20
"""Bytes that are unpacked of any file."""
_MOST_GROWTH: Final = 100
_FEW_ROWS: Final = 1_000_000
"""Rows that are read of any file; more take a byte each at the least, being pictures."""
_TEST_NAME: Final = re.compile(r"test(ing)?([^a-z].*)?", re.IGNORECASE | re.DOTALL)
"""Hubs split large tables: test-00000-of-00003.parquet."""


class PictureTable(PictureSource):
    """The rows of one Parquet file, or of all in a folder; files named `test` are the official test split.

    The image column holds encoded pictures as bytes, or as a struct with a field `bytes`. Labels are whole numbers,
    texts or booleans. Class names are those in the files' metadata (`data.class_names`), else the sorted labels.
    """

    def __init__(self, root: Path, image: str, label: str) -> None:
        """Raises DataMissing where there are no files or rows, DataError where a column does not fit."""
        self._root, self._image, self._label = root, image, label
        splits = _files(root)
        self._paths = [path for path, _ in splits]
        self.files = [str(path) for path in self._paths]
        labels = [_labels(path, image, label) for path in self._paths]
        self.official_test = np.repeat([test for _, test in splits], [len(part) for part in labels]).astype(np.bool_)
        if not len(self.official_test):
            raise DataMissing(f"{root} holds no rows")
        self.classes, self.targets = _indexed(labels, _agreed_names(self._paths, label), root)
        self._check_counts(root)

    def batches(self) -> Iterator[list[Picture]]:
        for path in self._paths:
            row = 0
            for images in _images(path, self._image):
                yield [
                    Picture(f"{printable(str(path))}#{row + place}", image or b"") for place, image in enumerate(images)
                ]
                row += len(images)

    def groups(self, key: str) -> NDArray[np.int64]:
        """key: the name of a column."""
        parts = [_group_column(path, key) for path in self._paths]
        if len({part.type for part in parts}) > 1:
            raise UnfitOption("groups", f"the column {key!r} is not of one type in all files")
        column = pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
        numbers: NDArray[np.int64] = pc.index_in(column, value_set=pc.unique(column)).to_numpy().astype(np.int64)
        return numbers

    def digest(self) -> str:
        if sum(path.stat().st_size for path in self._paths) > LARGE:
            return digest_of_files((path.name, str(path)) for path in self._paths)
        now = PictureTable(self._root, self._image, self._label)  # labels of the same moment as the pictures
        if now.files != self.files:
            raise DataError(
                f"files came to {self._root} or went while it was read; start again when nothing writes to it"
            )
        digest = blake2b("\0".join(now.classes).encode(), digest_size=16)
        digest.update(now.targets.tobytes() + now.official_test.tobytes())
        for batch in self.batches():
            for picture in batch:
                assert isinstance(picture.content, bytes)
                digest.update(len(picture.content).to_bytes(8, "big") + picture.content)
        return digest.hexdigest()

    def _check_counts(self, root: Path) -> None:
        counts = np.bincount(self.targets[~self.official_test], minlength=len(self.classes))
        tested = np.bincount(self.targets[self.official_test], minlength=len(self.classes))
        unknown = [self.classes[index] for index in np.flatnonzero((counts == 0) & (tested > 0))]
        if unknown:
            raise DataError(
                f"{root} has no rows to learn from of the class{'es' * (len(unknown) > 1)} {', '.join(unknown)}, of "
                f"which the test split has some; add some, or remove those"
            )


def _files(root: Path) -> list[tuple[Path, bool]]:
    """The files and whether each is the official test split, that one last."""
    if root.is_file():
        return [(root, False)]
    paths = sorted(path for path in root.iterdir() if _is_table(path))
    if not paths:
        deeper = next((f"; {path.parent} holds some" for path in sorted(root.glob("*/*")) if _is_table(path)), "")
        raise DataMissing(f"{root} holds no .parquet file{deeper}; give a Parquet file, or a folder with some")
    splits = sorted(((path, _TEST_NAME.fullmatch(path.stem) is not None) for path in paths), key=lambda split: split[1])
    if splits[0][1]:
        names = ", ".join(printable(path.name) for path in paths)
        raise DataMissing(
            f"{root} holds {names} and nothing to learn from; add a train.parquet, or give the path of one file, whose "
            f"rows are then divided as the protocol says"
        )
    return splits


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".parquet" and not path.name.startswith(".") and path.is_file()


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The file; what pyarrow finds wrong with it is a DataError."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError) as damage:
        raise DataError(f"cannot read the Parquet file {path}: {damage}") from damage


def _images(path: Path, image: str) -> Iterator[list[bytes | None]]:
    with _opened(path) as file:
        for batch in file.iter_batches(_BATCH, columns=[image]):
            column = batch.column(0)
            yield (pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column).to_pylist()


def _labels(path: Path, image: str, label: str) -> pa.ChunkedArray:
    """The label column as int64 or text."""
    with _opened(path) as file:
        schema = file.schema_arrow
        for column in (image, label):
            if schema.names.count(column) != 1:
                times = "no" if column not in schema.names else "more than one"
                raise DataError(f"{path} has {times} column {column!r}; it has {', '.join(schema.names)}")
        if not _holds_bytes(schema.field(image).type):
            raise DataError(
                f"the column {image!r} of {path} is {schema.field(image).type}, not encoded pictures (bytes)"
            )
        _refuse_what_grows(file, path)
        return _plain(file.read([label]).column(0), path, label)


def _refuse_what_grows(file: pq.ParquetFile, path: Path) -> None:
    """Raises DataError where a few bytes stand for many. Pictures are packed already, and hardly shrink once more."""
    size, said = path.stat().st_size, file.metadata
    unpacked = sum(said.row_group(number).total_byte_size for number in range(said.num_row_groups))
    if unpacked > max(_SMALL, _MOST_GROWTH * size) or said.num_rows > max(_FEW_ROWS, size):
        raise DataError(
            f"{path} tells of {said.num_rows:,} rows and {unpacked:,} bytes, more than {_MOST_GROWTH} times its own "
            f"{size:,}; it is not read"
        )


def _group_column(path: Path, key: str) -> pa.ChunkedArray:
    with _opened(path) as file:
        names = file.schema_arrow.names
        if names.count(key) != 1:
            times = "no" if key not in names else "more than one"
            raise UnfitOption("groups", f"{path} has {times} column {key!r}; it has {', '.join(names)}")
        column = file.read([key]).column(0)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind) or pa.types.is_floating(kind):
        raise UnfitOption("groups", f"the column {key!r} of {path} is {kind}; groups are whole numbers or texts")
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise UnfitOption("groups", f"row {row} of {path} has no {key!r}; give it one or remove the row")
    return column.cast(kind)


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_bytes(kind.field("bytes").type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _plain(column: pa.ChunkedArray, path: Path, label: str) -> pa.ChunkedArray:
    if column.null_count:
        raise _no_label(column.is_null(), path, label)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_integer(kind):
        return column.cast(kind).cast(pa.int64())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        texts = column.cast(kind).cast(pa.string())
        if pc.any(pc.equal(texts, "")).as_py():
            raise _no_label(pc.equal(texts, ""), path, label)
        return texts
    if pa.types.is_boolean(kind):
        return column
    raise DataError(f"the column {label!r} of {path} is {kind}; labels are whole numbers, texts or booleans")


def _no_label(lacks: pa.ChunkedArray, path: Path, label: str) -> DataError:
    row = pc.index(lacks, True).as_py()
    return DataError(f"row {row} of {path} has no {label!r}; give it one or remove the row")


def _agreed_names(paths: list[Path], label: str) -> tuple[str, ...]:
    """Those that the files' metadata tell, in label order; none where no file tells any.

    Refused where two files differ, if only in order: a label would mean one class here and another there.
    """
    agreed: tuple[str, ...] = ()
    first = paths[0]
    for path in paths:
        with _opened(path) as file:
            names = class_names(file.schema_arrow.metadata or {}, label, path)
        if names and agreed and names != agreed:
            raise DataError(
                f"{first} names the classes {', '.join(agreed)}, and {path.name} {', '.join(names)}; "
                f"number the labels of both in the same way, and write the same names into their metadata"
            )
        if names and not agreed:
            agreed, first = names, path
    return agreed


def _indexed(
    parts: list[pa.ChunkedArray], names: tuple[str, ...], root: Path
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Class names, and for each row an index into them."""
    if len({part.type for part in parts}) > 1:
        kinds = " and ".join(sorted({str(part.type) for part in parts}))
        raise DataError(f"the files in {root} do not agree on what labels are: {kinds}")
    column = pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
    if pa.types.is_boolean(column.type):
        column, names = column.cast(pa.int64()), names or ("false", "true")
    values = sorted(pc.unique(column).to_pylist())
    if len(values) < 2:
        raise DataError(f"all rows of {root} have the label {values[0]!r}; at least two classes are needed")
    if names and pa.types.is_integer(column.type):
        if values[0] < 0 or values[-1] >= len(names):
            wrong = values[0] if values[0] < 0 else values[-1]
            raise DataError(f"{root} has the label {wrong}, and names for the classes 0 to {len(names) - 1}")
        return names, column.to_numpy()
    unnamed = [value for value in values if names and value not in names]
    if unnamed:
        raise DataError(f"{root} has the label {unnamed[0]!r}, and its metadata names the classes {', '.join(names)}")
    known = names or values
    targets = pc.index_in(column, value_set=pa.array(known, column.type)).to_numpy().astype(np.int64)
    return tuple(str(value) for value in known), targets
