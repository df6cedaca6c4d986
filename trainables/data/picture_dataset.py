"""Users' own pictures with a class each, wherever they are kept."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from math import prod
from os import cpu_count
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from trainables.component import NotIdentity
from trainables.data.content import digest_of_arrays, remembered
from trainables.data.pictures import Choice, Header, Picture, Shape, decode, raise_broken, read_header, whole
from trainables.data.room import refuse_too_large
from trainables.data_options import Size
from trainables.dataset import DataInfo, DataPlace, Dataset, Examples
from trainables.errors import BrokenPicture, DataError, DataMissing, UnfitOption

_MOST_THREADS: Final = 8
_PART: Final = 32
"""Pictures that one thread decodes in a row: small ones take less time than handing them out."""


class PictureSource(ABC):
    """Encoded pictures, in a fixed order."""

    files: list[str]
    """What the content depends on."""
    classes: tuple[str, ...]
    targets: NDArray[np.int64]
    """Of each picture, an index into `classes`."""
    official_test: NDArray[np.bool_]
    """Of each picture."""

    @abstractmethod
    def batches(self) -> Iterator[list[Picture]]:
        """All pictures, a part at a time."""

    @abstractmethod
    def groups(self, key: str) -> NDArray[np.int64]:
        """The group of each picture, numbered from 0. Raises UnfitOption."""

    @abstractmethod
    def digest(self) -> str:
        """Hex digest of the pictures, their classes and their official split; above 2 GiB of names and sizes."""

    def headers(self) -> list[Header]:
        """Those of as many pictures as tell the sizes and colours of all. Raises BrokenPicture naming all broken ones."""
        headers: list[Header] = []
        broken: list[BrokenPicture] = []
        for picture in chain.from_iterable(self.batches()):
            try:
                headers.append(read_header(picture))
            except BrokenPicture as found:
                broken.append(found)
        raise_broken(broken)
        return headers


class Survey(BaseModel):
    """What the headers of all pictures say."""

    model_config = ConfigDict(frozen=True)

    smallest: tuple[int, int]
    """Height and width of the picture with the fewest pixels."""
    largest: tuple[int, int]
    uniform: bool
    """Whether all have the same size."""
    grey: bool
    """Whether all are grey."""


PictureData = TypeVar("PictureData", bound="PictureDataset")


class PictureDataset(Dataset):
    """Pictures of any formats and sizes, brought to one size and number of channels; classification."""

    path: Annotated[str, Field(min_length=1), NotIdentity()]
    """Looked for beside the grid file, then in the data folder."""
    size: Size | None = None
    """What every picture is resized to; may be left out where all have one size."""
    channels: Literal[1, 3] | None = None
    """1 is grey, 3 is RGB; unless given, 1 where all pictures are grey, else 3."""
    groups: Annotated[str | None, Field(min_length=1), NotIdentity()] = None
    """What says which pictures belong together (a person's, say) and have to stay in one split."""

    licence: ClassVar[str] = "the user's own"

    def located(self, place: DataPlace) -> Self:
        try:
            found = place.find(str(Path(self.path).expanduser()))
        except (OSError, RuntimeError) as refused:
            raise DataMissing(f"{self.name} cannot look for {self.path}: {refused}") from refused
        if found is None:
            raise DataMissing(f"{self.name}: {self.path} is not there; {_looked(self.path, place)}")
        return self.model_copy(update={"path": str(found)})

    def info(self, place: DataPlace) -> DataInfo:
        source = self._source(place)
        shape = self._shape(source, place)
        official = bool(source.official_test.any())
        return DataInfo(self.name, "image", shape, "classification", source.classes, official_test=official)

    def content_files(self, place: DataPlace) -> Sequence[str]:
        return [*self._source(place).files, *self._lists(place)]

    def fingerprint(self, place: DataPlace) -> str:
        source = self._source(place)
        pictures = remembered(place, f"pictures {self._reading()}", source.files, source.digest)
        groups = self._groups(source, place)
        # who belongs together decides the splits, and is content like the labels; what the column is called is not
        return pictures if groups is None else digest_of_arrays([np.frombuffer(bytes.fromhex(pictures), "u1"), groups])

    def load(self, place: DataPlace) -> Examples:
        source = self._source(place)
        shape = self._shape(source, place)
        inputs = decoded_pictures(source.batches(), len(source.targets), shape, self._part(shape))
        return Examples(inputs, source.targets, source.official_test, self._groups(source, place))

    def _lists(self, place: DataPlace) -> list[str]:
        """Files that say more of the pictures."""
        return []

    def _groups(self, source: PictureSource, place: DataPlace) -> NDArray[np.int64] | None:
        key = self.located(place).groups
        return None if key is None else source.groups(key)

    def _source(self, place: DataPlace) -> PictureSource:
        path = self.located(place).path
        try:
            return self._open(Path(path))
        except OSError as refused:
            raise DataError(f"cannot read {path}: {refused}") from refused

    @abstractmethod
    def _open(self, root: Path) -> PictureSource:
        """The pictures under this path. Raises DataMissing, DataError."""

    def _reading(self) -> str:
        """Parameters that decide what is read of the same files."""
        return ""

    def _part(self, shape: Shape) -> Choice:
        """What of each picture is brought to this shape."""
        return whole

    def _shape(self, source: PictureSource, place: DataPlace) -> Shape:
        if self.size is not None and self.channels is not None:
            return (self.channels, *self.size)
        purpose = f"survey {self._reading()}"
        text = remembered(place, purpose, source.files, lambda: _survey(source).model_dump_json())
        survey = Survey.model_validate_json(text)
        if self.size is None and not survey.uniform:
            (low, narrow), (high, wide) = survey.smallest, survey.largest
            raise DataError(
                f"the pictures in {self.path} have different sizes, from {low}x{narrow} to {high}x{wide} "
                f"(height x width); give the size that they are brought to, as in `size: 64` or `size: [48, 64]`"
            )
        return (self.channels or (1 if survey.grey else 3), *(self.size or survey.smallest))


def located_list(dataset: PictureData, place: DataPlace) -> PictureData:
    """The data set, whose own path is absolute, with that of its list of groups. Raises UnfitOption where it is not there.

    It is looked for where the path is, and then within the data set's folder.
    """
    if dataset.groups is None:
        return dataset
    within = Path(dataset.path) / dataset.groups
    table = place.find(dataset.groups) or (within if within.is_file() else None)
    if table is None:
        raise UnfitOption(
            "groups",
            f"{dataset.name}: the file {dataset.groups} is not there; it was looked for beside the grid, in the data "
            f"folder and in {dataset.path}",
        )
    return dataset.model_copy(update={"groups": str(table)})


def _looked(path: str, place: DataPlace) -> str:
    if Path(path).is_absolute():
        return "give the path of a folder or a file that exists"
    roots = [str(root / path) for root in (place.beside, place.data) if root is not None]
    looked = f"looked for {' and '.join(roots)}" if roots else "a relative path needs a folder to be looked for in"
    return looked + ("" if place.data is not None else "; no data folder is given (`--data` or ORCH_DATA)")


def _survey(source: PictureSource) -> Survey:
    headers = source.headers()
    sizes = sorted({(header.height, header.width) for header in headers}, key=lambda size: (prod(size), size))
    grey = all(header.grey for header in headers)
    return Survey(smallest=sizes[0], largest=sizes[-1], uniform=len(sizes) == 1, grey=grey)


def decoded_pictures(
    batches: Iterator[list[Picture]], count: int, shape: Shape, choose: Choice = whole
) -> NDArray[np.uint8]:
    """So many pictures (a part of each) in one array.

    Raises BrokenPicture naming every broken one, UnfitOption where memory is too small.
    """
    refuse_too_large(count, shape, "size")
    inputs = np.empty((count, *shape), np.uint8)
    broken: list[BrokenPicture] = []
    start = 0
    with ThreadPoolExecutor(min(_MOST_THREADS, cpu_count() or 1)) as threads:
        for batch in batches:
            rows = inputs[start : start + len(batch)]
            parts = [slice(first, first + _PART) for first in range(0, len(batch), _PART)]
            results = threads.map(
                _decode_into,
                [rows[part] for part in parts],
                [batch[part] for part in parts],
                repeat(shape),
                repeat(choose),
            )
            broken.extend(chain.from_iterable(results))
            start += len(batch)
    raise_broken(broken)
    return inputs


def _decode_into(rows: NDArray[np.uint8], pictures: list[Picture], shape: Shape, choose: Choice) -> list[BrokenPicture]:
    """Fill the rows; the pictures that could not be decoded come back."""
    broken: list[BrokenPicture] = []
    for row, picture in zip(rows, pictures, strict=True):
        try:
            row[:] = decode(picture, shape, choose)
        except BrokenPicture as found:
            broken.append(found)
    return broken
