"""Images in Parquet files with a column of encoded images and one of labels, as data hubs publish them."""

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trainables.data.content import LARGE, digest_of_files, stamps, total_size
from trainables.data.files import open_regular
from trainables.data.image_dataset import ImageSource
from trainables.data.images import EncodedImage
from trainables.data.own_folders import SkippedFiles
from trainables.dataset import LeftOut
from trainables.datasets._table_columns import (
    group_columns,
    label_columns,
    number_columns,
    opened,
    row_count,
    table_files,
)
from trainables.datasets._table_images import ImageColumn
from trainables.errors import DataError, DataMissing

# Class names that a Parquet file's metadata tells, in label order.

_WANTED: Final = "give a JSON list of texts, or names joined by commas"


def class_names(metadata: dict[bytes, bytes], label: str, path: Path) -> tuple[str, ...]:
    """The names under the key `classes`, else in the Hugging Face feature of the label column; none where none are reported.

    `classes` is a JSON list, or names joined by commas. Raises DataError where it is neither, or names one class twice.
    """
    names = _listed(metadata[b"classes"], path) if b"classes" in metadata else _feature_names(metadata, label)
    if len(set(names)) < len(names) or "" in names:
        raise DataError(f"the metadata of {path} names a class twice or not at all: {', '.join(names)}")
    return names


def _listed(value: bytes, path: Path) -> tuple[str, ...]:
    try:
        text = value.decode().strip()
        names = json.loads(text) if text.startswith(("[", "{")) else text.split(",")
    except (ValueError, RecursionError) as damage:
        raise DataError(f"`classes` in the metadata of {path} cannot be read: {damage}; {_WANTED}") from damage
    if not _are_names(names):
        raise DataError(f"`classes` in the metadata of {path} is {text}; {_WANTED}")
    return tuple(name.strip() for name in names)


def _feature_names(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    # https://github.com/huggingface/datasets, ArrowWriter: the features of a table, of which a ClassLabel has names
    try:
        names = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"][label]["names"]
    # of another shape, or of another kind of column: it names no classes
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()
    return tuple(names) if _are_names(names) else ()


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


class ImageTable(ImageSource):
    """The rows of one Parquet file, or of all below a folder (`_table_columns.table_files`).

    The image column holds encoded images as bytes, or paths, or a struct with fields `bytes` and `path`. Labels are
    whole numbers, texts or booleans. Class names are those in the files' metadata (`class_names`), else the sorted
    labels.
    """

    def __init__(
        self, root: Path, image: str, label: str, target: str | None = None, folder: Path | None = None
    ) -> None:
        """target: the column of numbers to predict, in place of labels. folder: where paths of images start from.

        Raises DataMissing where there are no files or rows, DataError where a column does not fit.
        """
        self._opened_as = (root, image, label, target, folder)
        self._leavings = SkippedFiles()
        self._root, self._tables = root, table_files(root, self._leavings)
        self._images = [ImageColumn(file, image, folder) for file in self._tables]
        self.files = [str(file.path) for file in self._tables]
        self.files += [path for images in self._images for path in images.files]
        if target is None:
            labels = label_columns(self._tables, label)
            counts = [len(part) for part in labels]
        else:
            numbers = number_columns(self._tables, target)
            counts = [row_count(file) for file in self._tables]
        self.official_test = np.repeat([file.test for file in self._tables], counts).astype(np.bool_)
        if not len(self.official_test):
            raise DataMissing(f"{root} holds no rows")
        if target is None:
            names = _agreed_names([file.path for file in self._tables], label)
            self.classes, self.targets = _indexed(labels, names, root)
        else:
            self.classes, self.targets = (), numbers

    def left_out(self) -> tuple[LeftOut, ...]:
        return self._leavings.all()

    def batches(self) -> Iterator[list[EncodedImage]]:
        for images in self._images:
            yield from images.batches()

    def groups(self, key: str) -> NDArray[np.int64]:
        """key: the name of a column."""
        return group_columns(self._tables, key)

    def digest(self) -> str:
        if total_size(stamps(self.files)) > LARGE:
            return digest_of_files((self._name(path), path) for path in self.files)
        now = ImageTable(*self._opened_as)  # labels of the same moment as the images
        if now.files != self.files:
            raise DataError(
                f"files came to {self._root} or went while it was read; start again when nothing writes to it"
            )
        digest = blake2b("\0".join(now.classes).encode(), digest_size=16)
        digest.update(now.targets.tobytes() + now.official_test.tobytes())
        for batch in now.batches():
            for image in batch:
                encoded = _encoded(image)
                digest.update(len(encoded).to_bytes(8, "big") + encoded)
        return digest.hexdigest()

    def _name(self, path: str) -> str:
        """A file's path within the data set."""
        root, _, _, _, folder = self._opened_as
        bases = (root if root.is_dir() else root.parent, root if folder is None else folder)
        within = next((base for base in bases if Path(path).is_relative_to(base)), Path(path).parent)
        return str(Path(path).relative_to(within))

    def refuse_unfit(self) -> None:
        if not self.classes:
            return
        counts = np.bincount(self.targets[~self.official_test], minlength=len(self.classes))
        tested = np.bincount(self.targets[self.official_test], minlength=len(self.classes))
        unknown = [self.classes[index] for index in np.flatnonzero((counts == 0) & (tested > 0))]
        if unknown:
            raise DataError(
                f"{self._root} has no rows to learn from of the class{'es' * (len(unknown) > 1)} {', '.join(unknown)}, of "
                f"which the test split has some; add some, or remove those"
            )


def _encoded(image: EncodedImage) -> bytes:
    if isinstance(image.content, bytes):
        return image.content
    with open_regular(Path(image.content)) as file:
        return file.read()


def _agreed_names(paths: list[Path], label: str) -> tuple[str, ...]:
    """Return the names that the files' metadata hold, in label order; none where no file holds any.

    Refused where two files differ, if only in order: a label would mean one class here and another there.
    """
    agreed: tuple[str, ...] = ()
    first = paths[0]
    for path in paths:
        with opened(path) as file:
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
