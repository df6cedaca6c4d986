"""Users' own images with a class or a number each, wherever they are kept."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from math import prod
from os import cpu_count
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from trainables.component import NotIdentity
from trainables.data.content import LARGE, digest_of_arrays, remembered, stamps, total_size
from trainables.data.csv_list import GROUP, listed_cells, listed_columns
from trainables.data.files import printable
from trainables.data.images import (
    Choice,
    EncodedImage,
    Header,
    Shape,
    broken_among,
    decode,
    raise_broken,
    read_each,
    read_header,
    whole,
)
from trainables.data.memory import check_memory
from trainables.data_options import Size
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples, LeftOut, Outline
from trainables.errors import BrokenImage, DataError, DataMissing, UnfitOption, alike, meant, raise_all

_MAX_THREADS: Final = 8
_PART: Final = 32
"""Images that one thread decodes in a row: small ones take less time than handing them out."""
_TINY: Final = (1, 8, 8)


class ImageSource(ABC):
    """Encoded images, in a fixed order."""

    files: list[str]
    """What the content depends on."""
    classes: tuple[str, ...]
    """Empty where numbers are to be predicted."""
    targets: NDArray[np.int64] | NDArray[np.float32]
    """Of each image an index into `classes`, int64 (images,); else its numbers, float32 (images, 1)."""
    official_test: NDArray[np.bool_]
    """Of each image."""

    @abstractmethod
    def batches(self) -> Iterator[list[EncodedImage]]:
        """Return all images, a part at a time."""

    @abstractmethod
    def groups(self, key: str) -> NDArray[np.int64]:
        """The group of each image, numbered from 0. Raises UnfitOption."""

    @abstractmethod
    def refuse_unfit(self) -> None:
        """Raises DataError where a class has none to learn from."""

    @abstractmethod
    def digest(self) -> str:
        """Hex digest of the images, their classes and their official split; above 2 GiB of names and sizes."""

    def all_but(self, broken: Collection[str]) -> NDArray[np.bool_]:
        """Return for each of `targets` whether it is none of these, which errors have named."""
        names = (image.name for image in chain.from_iterable(self.batches()))
        return np.array([name not in broken for name in names], np.bool_)

    def names_within(self) -> list[str] | None:
        """Return the path of each image within the data set's folder; None where they are no files of their own."""
        return None

    def not_learnt(self) -> list[str]:
        """Return the classes that have nothing to learn from."""
        counts = np.bincount(self.targets[~self.official_test], minlength=len(self.classes))
        return [printable(name) for name, count in zip(self.classes, counts, strict=True) if not count]

    def left_out(self) -> tuple[LeftOut, ...]:
        """Return what lies among them and is not read."""
        return ()

    def headers(self) -> list[Header]:
        """Read headers of as many images as tell the sizes and colours of all. Raises BrokenImage naming all broken ones."""
        return read_each(read_header, chain.from_iterable(self.batches()))


class Survey(BaseModel):
    """What the headers of all images say."""

    model_config = ConfigDict(frozen=True)

    smallest: tuple[int, int]
    """Height and width of the image with the fewest pixels."""
    largest: tuple[int, int]
    uniform: bool
    """Whether all have the same size."""
    grey: bool
    """Whether all are grey."""


ImageData = TypeVar("ImageData", bound="ImageDataset")


class ImageDataset(Dataset):
    """Images of any formats and sizes, brought to one size and number of channels."""

    path: Annotated[str, Field(min_length=1), NotIdentity()]
    """Looked for beside the grid file, then in the data folder."""
    size: Size | None = None
    """What every image is resized to; may be left out if all have one size."""
    channels: Literal[1, 3] | None = None
    """1 is grey, 3 is RGB; unless given, 1 where all images are grey, else 3."""

    licence: ClassVar[str] = "the user's own"

    def located(self, location: DataLocation) -> Self:
        try:
            found = location.find(str(Path(self.path).expanduser()))
        except (OSError, RuntimeError) as refused:
            raise DataMissing(f"{self.name} cannot look for {self.path}: {refused}") from refused
        if found is None:
            raise DataMissing(f"{self.name}: {self.path} is not there; {_looked(self.path, location)}")
        return self.model_copy(update={"path": str(found)})

    def info(self, location: DataLocation) -> DataInfo:
        source = self._source(location)
        shape = self._checked_shape(source, location)
        official = bool(source.official_test.any())
        task = "classification" if source.classes else "regression"
        return DataInfo(self.name, "image", shape, task, source.classes, official_test=official)

    def content_files(self, location: DataLocation) -> Sequence[str]:
        return [*self._source(location).files, *self._lists(location)]

    def fingerprint(self, location: DataLocation) -> str:
        source = self._source(location)
        images = remembered(location, f"pictures {self._reading()}", source.files, source.digest)
        groups = self._groups(source, location)
        # who belongs together decides the splits, and is content like the labels; what the column is called is not
        said = [array for array in (groups, None if source.classes else source.targets) if array is not None]
        return digest_of_arrays([np.frombuffer(bytes.fromhex(images), "u1"), *said]) if said else images

    def outline(self, location: DataLocation, without: Collection[str] = ()) -> Outline:
        source = self._source(location)
        groups = self._groups(source, location)
        whole = Outline(source.classes, source.targets, source.official_test, groups, source.left_out())
        return whole.only(source.all_but(without)) if without else whole

    def sources(self, location: DataLocation) -> Sequence[str] | None:
        try:
            names = self._source(location).names_within()
        except DataError:  # gone since they were decoded
            return None
        return None if names is None else [printable(name) for name in names]

    def unreadable(self, location: DataLocation) -> Sequence[DataError]:
        try:
            source = self._source(location)
            if total_size(stamps(source.files)) <= LARGE:
                raise_broken(broken_among(source.batches(), lambda image: decode(image, _TINY), _threads()))
        except OSError as refused:
            return [DataError(f"cannot read the data: {refused}")]
        except BrokenImage as broken:
            return [broken]
        except DataError:  # why it cannot be opened has been found
            return []
        return []

    def load(self, location: DataLocation) -> Examples:
        source = self._source(location)
        source.refuse_unfit()
        shape = self._shape(source, location)
        inputs = decoded_images(source.batches(), len(source.targets), shape, self.part(shape))
        return Examples(inputs, source.targets, source.official_test, self._groups(source, location))

    def _lists(self, location: DataLocation) -> list[str]:
        """Files that say more of the images."""
        return []

    def _groups(self, source: ImageSource, location: DataLocation) -> NDArray[np.int64] | None:
        """The group of each image, as in Examples. Raises UnfitOption."""
        return None

    def _source(self, location: DataLocation) -> ImageSource:
        located = self.located(location)
        path = located.path
        try:
            return located._open(Path(path))
        except OSError as refused:
            raise DataError(f"cannot read {path}: {refused}") from refused

    @abstractmethod
    def _open(self, root: Path) -> ImageSource:
        """The images under this path, of a located data set. Raises DataMissing, DataError."""

    def _reading(self) -> str:
        """Parameters that decide what is read of the same files."""
        return ""

    def part(self, shape: Shape) -> Choice:
        """Return what of each image is brought to this shape."""
        return whole

    def _checked_shape(self, source: ImageSource, location: DataLocation) -> Shape:
        """Raises DataError with all that names, labels and headers tell to be wrong."""
        errors: list[DataError] = []
        try:
            source.refuse_unfit()
        except DataError as unfit:
            errors.append(unfit)
        try:
            shape = self._shape(source, location) if source.files else None
        except DataError as unfit:
            errors.append(unfit)
        raise_all(errors)
        assert shape is not None, "without images a source is unfit"
        return shape

    def _shape(self, source: ImageSource, location: DataLocation) -> Shape:
        if self.size is not None and self.channels is not None:
            return (self.channels, *self.size)
        purpose = f"survey {self._reading()}"
        text = remembered(location, purpose, source.files, lambda: _survey(source).model_dump_json())
        survey = Survey.model_validate_json(text)
        if self.size is None and not survey.uniform:
            (low, narrow), (high, wide) = survey.smallest, survey.largest
            raise DataError(
                f"the images in {self.path} have different sizes, from {low}x{narrow} to {high}x{wide} "
                f"(height x width); give the size to resize them to, as in `size: 64` or `size: [48, 64]`"
            )
        return (self.channels or (1 if survey.grey else 3), *(self.size or survey.smallest))


class GroupedImages(ImageDataset):
    """Images of which something beside them may say who belongs together."""

    groups: Annotated[str | None, Field(min_length=1), NotIdentity()] = None
    """What says which images belong together (such as those of one person) and must stay in one split."""

    def _groups(self, source: ImageSource, location: DataLocation) -> NDArray[np.int64] | None:
        key = self.located(location).groups
        return None if key is None else source.groups(key)


Cell = str | int | float | bool | None
"""What a column says of an example; None, an empty text and NaN where it says nothing."""


@runtime_checkable
class HasColumns(Protocol):
    """A data set whose files say more of each example than trials read. It is no part of the content: measurements may part
    examples by it, and it may be corrected under the same fingerprint.
    """

    def columns(self, location: DataLocation) -> Sequence[str]:
        """Return the names, read of headers alone. Raises DataError."""

    def column(self, location: DataLocation, name: str) -> Iterator[Cell]:
        """What one of them says of each example, in their order. Raises DataError."""

    def group_column(self, location: DataLocation) -> str | None:
        """Return which of them names the groups of `Examples`; None where none does. Raises DataError."""


_NAMED: Final = 12
"""Columns that a message lists."""


def no_column(name: str, there: Sequence[str], instead: Sequence[str] = ()) -> str:
    """In words that the data have no such column. instead: what else the user may have meant."""
    listed = [*map(printable, there[:_NAMED]), *([f"{len(there) - _NAMED} more"] if len(there) > _NAMED else [])]
    has = f"the data have the columns {', '.join(listed)}" if there else "the data have no columns"
    near = alike(name, dict.fromkeys([*there, *instead]))
    return f"there is no column {printable(name)!r}; {meant(near, has)}" + (f" ({has})" if near else "")


class ListedGroups(GroupedImages):
    """Images or clips whose groups are listed in a CSV file, `path,group`; its further columns are columns of the data."""

    def located(self, location: DataLocation) -> Self:
        return located_file(super().located(location), "groups", location, Path.is_file)

    def columns(self, location: DataLocation) -> Sequence[str]:
        file = self.located(location).groups
        return () if file is None else listed_columns(Path(file), "groups")

    def column(self, location: DataLocation, name: str) -> Iterator[Cell]:
        names, file = self._source(location).names_within(), self.located(location).groups
        if names is None or file is None:
            raise UnfitOption("groups", f"{self.name} has no file of groups, and no column {name}")
        yield from listed_cells(Path(file), "groups", name, names)

    def group_column(self, location: DataLocation) -> str | None:
        return None if self.groups is None else GROUP


def located_file(dataset: ImageData, option: str, location: DataLocation, exists: Callable[[Path], bool]) -> ImageData:
    """The data set, whose own path is absolute, with that of an option. Raises UnfitOption where it is not there.

    It is looked for where the path is, and then within the data set's folder, or beside its file.
    """
    named: str | None = getattr(dataset, option)
    if named is None:
        return dataset
    path = Path(dataset.path)
    base = path if path.is_dir() else path.parent
    within = base / named
    try:
        found = location.find(str(Path(named).expanduser())) or (within if exists(within) else None)
    except (OSError, RuntimeError, ValueError) as refused:
        raise UnfitOption(option, f"{dataset.name} cannot look for {named}: {refused}") from refused
    if found is None:
        kind = "file" if exists is Path.is_file else "folder"
        raise UnfitOption(
            option,
            f"{dataset.name}: the {kind} {named} is not there; it was looked for beside the grid, in the data folder and in "
            f"{base}",
        )
    return dataset.model_copy(update={option: str(found)})


def _looked(path: str, location: DataLocation) -> str:
    if Path(path).is_absolute():
        return "give the path of a folder or a file that exists"
    roots = [str(root / path) for root in (location.beside, location.data) if root is not None]
    looked = f"looked for {' and '.join(roots)}" if roots else "a relative path needs a folder to be looked for in"
    return looked + ("" if location.data is not None else "; no data folder is given (`--data` or ORCH_DATA)")


def _survey(source: ImageSource) -> Survey:
    headers = source.headers()
    sizes = sorted({(header.height, header.width) for header in headers}, key=lambda size: (prod(size), size))
    grey = all(header.grey for header in headers)
    return Survey(smallest=sizes[0], largest=sizes[-1], uniform=len(sizes) == 1, grey=grey)


def decoded_images(
    batches: Iterator[list[EncodedImage]], count: int, shape: Shape, choose: Choice = whole
) -> NDArray[np.uint8]:
    """Decode so many images (a part of each) into one array.

    Raises BrokenImage naming every broken one, UnfitOption where memory is too small.
    """
    check_memory(count, shape, "size")
    inputs = np.empty((count, *shape), np.uint8)
    broken: list[BrokenImage] = []
    start = 0
    with ThreadPoolExecutor(_threads()) as threads:
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


def _threads() -> int:
    return min(_MAX_THREADS, cpu_count() or 1)


def _decode_into(
    rows: NDArray[np.uint8], images: list[EncodedImage], shape: Shape, choose: Choice
) -> list[BrokenImage]:
    """Fill the rows; the images that could not be decoded come back."""
    broken: list[BrokenImage] = []
    for row, image in zip(rows, images, strict=True):
        try:
            row[:] = decode(image, shape, choose)
        except BrokenImage as found:
            broken.append(found)
    return broken
