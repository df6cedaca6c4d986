"""A user's own pictures in Parquet files, with a column of encoded images and one of labels."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from trainables.data.picture_dataset import PictureDataset, PictureSource
from trainables.data.picture_table import PictureTable


class ImageParquet(PictureDataset):
    """One Parquet file, or a folder of them, of which `test.parquet` (or `test-*.parquet`) is the official test split.

    A folder of test files alone is an error; a single file is divided as the protocol says, whatever its name. Images
    are encoded pictures as bytes, or Hugging Face structs of `bytes` and `path`; labels whole numbers, texts or
    booleans. Class names come from the files' metadata (`classes`, or a Hugging Face feature), which have to agree on
    them, else they are the sorted labels. Above 2 GiB the fingerprint is of names and sizes. `groups` is a column.
    """

    name: ClassVar[str] = "image_parquet"

    image: Annotated[str, Field(min_length=1)] = "image"
    """The column of encoded pictures."""
    label: Annotated[str, Field(min_length=1)] = "label"
    """The column of labels."""

    def _open(self, root: Path) -> PictureSource:
        return PictureTable(root, self.image, self.label)

    def _reading(self) -> str:
        return f"{self.image!r} {self.label!r}"
