"""A user's own images in Parquet files, with a column of encoded images and one of labels, or of numbers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field

from trainables.component import NotIdentity
from trainables.data.image_dataset import Cell, GroupedImages, ImageSource, located_file
from trainables.data.own_folders import SkippedFiles
from trainables.dataset import DataLocation
from trainables.datasets._image_table import ImageTable
from trainables.datasets._table_columns import plain_cells, shared_columns, table_files


class ImageParquet(GroupedImages):
    """One Parquet file, or a folder of them, of which `test.parquet`, `test-*.parquet`, `test/*.parquet` are the test split.

    Files may lie in folders called as splits or in those of Hive's layout, whose names are columns (`label=owl`,
    `split=train`). Test files alone are an error; a single file is divided as the protocol says, whatever its name.
    Images are encoded images as bytes, or paths below `folder`, or Hugging Face structs of both; labels whole numbers,
    texts or booleans. Class names come from the files' metadata (`classes`, or a Hugging Face feature), which have to
    agree on them, else they are the sorted labels. Above 2 GiB the fingerprint is of names and sizes. `groups` is a
    column.
    """

    name: ClassVar[str] = "image_parquet"

    image: Annotated[str, Field(min_length=1)] = "image"
    """The column of encoded images, or of their paths."""
    label: Annotated[str, Field(min_length=1)] = "label"
    """The column of labels."""
    target: Annotated[str | None, Field(min_length=1), NotIdentity()] = None
    """A column of numbers to predict, in place of labels: the task is then regression."""
    folder: Annotated[str | None, Field(min_length=1), NotIdentity()] = None
    """Where image paths start from, looked for where `path` is, then in it; nothing outside it is read."""

    def located(self, location: DataLocation) -> Self:
        return located_file(super().located(location), "folder", location, Path.is_dir)

    def columns(self, location: DataLocation) -> Sequence[str]:
        return shared_columns(table_files(Path(self.located(location).path), SkippedFiles()))

    def column(self, location: DataLocation, name: str) -> Iterator[Cell]:
        return plain_cells(table_files(Path(self.located(location).path), SkippedFiles()), name)

    def group_column(self, location: DataLocation) -> str | None:
        return self.groups

    def _open(self, root: Path) -> ImageSource:
        folder = None if self.folder is None else Path(self.folder)
        return ImageTable(root, self.image, self.label, self.target, folder)

    def _reading(self) -> str:
        return f"{self.image!r} {self.label!r}" + ("" if self.target is None else f" {self.target!r}")
