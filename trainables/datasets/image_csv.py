"""A user's own images with a CSV file of their labels, as most such data comes."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from trainables.component import NotIdentity
from trainables.data.checks import same_names
from trainables.data.content import digest_of_files
from trainables.data.csv_list import fit_numbers
from trainables.data.files import printable
from trainables.data.image_dataset import Cell, ImageDataset, ImageSource, located_file
from trainables.data.image_folders import POOL, TEST, Found, FoundImages, shown_folders
from trainables.data.images import EncodedImage
from trainables.data.own_folders import SkippedFiles
from trainables.dataset import DataLocation
from trainables.datasets._files_within import FilesWithin
from trainables.datasets._labels_file import Line, column_names, header, lines
from trainables.errors import DataError, DataMissing, UnfitOption, raise_all

Column = Annotated[str | None, Field(min_length=1), NotIdentity()]


class ImageCsv(ImageDataset):
    """A CSV file with a line for each image, whose first line names the columns, and the images below one folder.

    Separators are commas, semicolons, tabs or `|`, the encoding is UTF-8. A column that is not given is the one of its own
    name, where there is one; of images also `filename`, `path`, `id` and the like, of labels also `class` or `category`;
    two columns may have any names. Images may be named without their ending. Images of the folder that the file does not
    name are left out; nothing outside of it is read, whether by `..`, from the root or through a link. Above 2 GiB the
    fingerprint is of names and sizes.
    """

    name: ClassVar[str] = "image_csv"

    images: Annotated[str | None, Field(min_length=1), NotIdentity()] = None
    """The folder that the names of images start from, looked for where `path` is, then beside it; unless given, `path`'s."""
    image: Column = None
    """The column of the images' files."""
    label: Column = None
    """The column of classes. Whole numbers are put in their order, all else as text."""
    target: Column = None
    """A column of numbers to predict, in place of labels: the task is then regression."""
    group: Column = None
    """The column that says which images belong together (such as those of one person) and must stay in one split."""
    split: Column = None
    """The column of splits: `test` is the official test split, `train` and `val` are the pool that the protocol splits."""

    def located(self, location: DataLocation) -> Self:
        """Also with each column that the file has, as `located` says."""
        found = located_file(super().located(location), "images", location, Path.is_dir)
        file = Path(found.path)
        if not file.is_file():
            raise DataMissing(f"{file} is not a file; the CSV file of labels is expected, and its folder as `images`")
        columns = column_names(file, found._columns())
        return found.model_copy(update={**columns, "images": found.images or str(file.parent)})

    def columns(self, location: DataLocation) -> Sequence[str]:
        return header(Path(self.located(location).path))

    def column(self, location: DataLocation, name: str) -> Iterator[Cell]:
        source = self._source(location)
        assert isinstance(source, LabelledImages)
        return source.cells(name)

    def group_column(self, location: DataLocation) -> str | None:
        return self.located(location).group

    def _lists(self, location: DataLocation) -> list[str]:
        return [self.located(location).path]

    def _open(self, root: Path) -> ImageSource:
        assert self.images is not None, "a located data set has its folder"
        columns = {option: name for option, name in self._columns().items() if name is not None}
        return LabelledImages(root, Path(self.images), columns)

    def _reading(self) -> str:
        return json.dumps([self.images, self._columns()])

    def _columns(self) -> dict[str, str | None]:
        return {
            "image": self.image,
            "label": self.label,
            "target": self.target,
            "group": self.group,
            "split": self.split,
        }

    def _groups(self, source: ImageSource, location: DataLocation) -> NDArray[np.int64] | None:
        column = self.located(location).group
        return None if column is None else source.groups(column)


_NAMED: Final = 20
"""Lines that are named, of those with which something is wrong."""
_LONGEST: Final = 255
"""Bytes of a label: as many as a folder's name may have."""
_BATCH: Final = 1024
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")


class LabelledImages(FoundImages):
    """The images that a CSV file names, by split, class and name: the order of its lines is not content."""

    def __init__(self, file: Path, folder: Path, columns: Mapping[str, str]) -> None:
        """columns: by the option that names each. Raises DataMissing, DataError with the first lines that do not fit."""
        self._opened_as = (file, folder, columns)
        self._file = file
        if not folder.is_dir():
            raise UnfitOption("images", f"{folder} is not a folder; the images of {file} are expected in one")
        rows = _Rows(file, FilesWithin(folder))
        for line in lines(file, columns):
            rows.take(line)
        rows.refuse_faults(folder)
        order = sorted(range(len(rows.found)), key=lambda row: _content(rows.found[row]))
        self._lines = [rows.lines[row] for row in order]
        super().__init__(folder.resolve(), [rows.found[row] for row in order], rows.skipped())
        self.files.append(str(file))
        if "target" in columns:
            self.classes, self.targets = (), self._numbers(columns["target"])
        else:
            self.classes, self.targets = self._labels(columns["label"])

    def batches(self) -> Iterator[list[EncodedImage]]:
        named = iter(zip(self._lines, self._found, strict=True))
        while part := list(islice(named, _BATCH)):
            yield [EncodedImage(f"{self._at(line)} ({printable(found.path)})", found.path) for line, found in part]

    def groups(self, key: str) -> NDArray[np.int64]:
        """key: the column, of which each line has a cell."""
        _, numbers = np.unique([line.cells["group"] for line in self._lines], return_inverse=True)
        return numbers.astype(np.int64)

    def cells(self, column: str) -> Iterator[Cell]:
        """What any column of the file says of each image. Raises DataError."""
        if column not in header(self._file):
            raise DataError(f"{self._file}:1: there is no column {printable(column)}")
        said = {
            line.number: line.cells["cell"] for line in lines(self._file, {"cell": column}) if isinstance(line, Line)
        }
        yield from (said.get(line.number) for line in self._lines)

    def digest(self) -> str:
        now = LabelledImages(*self._opened_as)  # labels of the same moment as the images
        if now.files != self.files:
            raise DataError(f"{self._file} changed while it was read; start again when nothing writes to it")
        return digest_of_files((json.dumps(_content(found)), found.path) for found in now._found)

    def refuse_unfit(self) -> None:
        if self.official_test.all():
            raise DataMissing(f"{self._file} names no images to learn from")
        if self.classes and (empty := self.not_learnt()):
            raise DataError(
                f"{self._file} has no images to learn from of the class{'es' * (len(empty) > 1)} {', '.join(empty)}, of "
                f"which the test split has some; add some, or remove those"
            )

    def _at(self, line: Line) -> str:
        return f"{printable(str(self._file))}:{line.number}"

    def _labels(self, column: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        labels = [found.label for found in self._found]
        whole = all(map(_WHOLE.fullmatch, labels))
        classes = sorted(set(labels), key=int if whole else str)
        if twice := same_names(classes):
            raise UnfitOption(
                "label",
                f"{self._file} has two classes called {printable(twice[0])}, which differ in spaces or in how Unicode "
                f"spells a letter alone; give both one name where they are one class, or other names",
            )
        if len(classes) < 2:
            said = (
                f"all lines have the {column} {printable(classes[0])}" if classes else "there is no line with an image"
            )
            raise DataMissing(f"{self._file}: {said}; at least two classes are needed")
        index = {name: position for position, name in enumerate(classes)}
        return tuple(classes), np.array([index[label] for label in labels], np.int64)

    def _numbers(self, column: str) -> NDArray[np.float32]:
        if not self._lines:
            raise DataMissing(f"{self._file}: there is no line with an image")
        values = np.empty(len(self._lines))
        wrong = _Faults()
        for index, line in enumerate(self._lines):
            try:
                values[index] = float(line.cells["target"])
            except ValueError:
                text = printable(line.cells["target"][:40])
                wrong.add(UnfitOption("target", f"{self._at(line)}: {text!r} is not a number; give one, as in 1.5"))
        raise_all(wrong.named(self._file))
        return fit_numbers(values, lambda index: self._at(self._lines[index]), f"the column {column}")


def _content(found: Found) -> tuple[bool, str, str]:
    return found.test, found.label, found.name


class _Faults:
    """The first lines with which something is wrong, and how many more there are."""

    def __init__(self) -> None:
        self._first: list[DataError] = []
        self.count = 0

    def add(self, fault: DataError) -> None:
        self.count += 1
        if self.count <= _NAMED:
            self._first.append(fault)

    def named(self, file: Path) -> list[DataError]:
        more = self.count - len(self._first)
        return [*self._first, DataError(f"{file}: {more:,} more such faults")] if more else self._first


class _Rows:
    """Takes the lines of a file one after another."""

    def __init__(self, file: Path, within: FilesWithin) -> None:
        self._file, self._within = file, within
        self._of_file: dict[str, int] = {}
        self.found: list[Found] = []
        self.lines: list[Line] = []
        self._wrong, self._missing = _Faults(), _Faults()
        self._first_missing: tuple[Line, str] | None = None

    def take(self, line: Line | DataError) -> None:
        if isinstance(line, DataError):
            self._wrong.add(line)
            return
        path = self._path(line)
        faults = list(self._faults(line, path))
        for fault in faults:
            self._wrong.add(fault)
        if path is not None:
            self._of_file.setdefault(path, line.number)
        if path is not None and not faults:
            label, split = line.cells.get("label", ""), line.cells.get("split", "").lower()
            self.found.append(Found(label, path, self._within.name_of(path), split in TEST))
            self.lines.append(line)

    def _path(self, line: Line) -> str | None:
        name = line.cells["image"]
        if not name:
            return None
        try:
            return self._within.find(name)
        except ValueError as why:
            self._first_missing = self._first_missing or (line, str(why))
            self._missing.add(UnfitOption("image", f"{self._file}:{line.number}: {_shown(name)}: {why}"))
            return None

    def _faults(self, line: Line, path: str | None) -> Iterator[DataError]:
        at = f"{self._file}:{line.number}"
        for option, cell in line.cells.items():
            if not cell:
                yield UnfitOption(option, f"{at}: there is no {option}; give one, or remove the line")
        split = line.cells.get("split", "")
        if split and split.lower() not in POOL | TEST:
            yield UnfitOption("split", f"{at}: the split is {_shown(split)}; it has to be train, val or test")
        if len(label := line.cells.get("label", "").encode()) > _LONGEST:
            yield UnfitOption("label", f"{at}: the label has {len(label):,} bytes, of {_LONGEST} at most")
        if path is not None and path in self._of_file:
            first = self._of_file[path]
            yield DataError(
                f"{at}: line {first} names {printable(path)} too; an image has one line, so remove one of them"
            )

    def refuse_faults(self, folder: Path) -> None:
        """Raises DataError."""
        missing = self._missing.named(self._file)
        if self._first_missing is not None and self._missing.count > 1 and not self._of_file:
            line, why = self._first_missing
            name = line.cells["image"]
            message = (
                f"none of the {self._missing.count:,} images of {self._file} can be read in {folder}: line {line.number} "
                f"names {_shown(name)}, and {why}{_elsewhere(folder, name)}"
            )
            missing = [UnfitOption("images", message)]
        raise_all([*self._wrong.named(self._file), *missing])

    def skipped(self) -> SkippedFiles:
        """Return the images that no line names."""
        skipped = SkippedFiles()
        for path in self._within.unnamed(set(self._of_file)):
            skipped.add(path, f"that {printable(self._file.name)} does not name")
        return skipped


def _shown(cell: str) -> str:
    return printable(cell if len(cell) <= _LONGEST else f"{cell[:_LONGEST]}...")


def _elsewhere(folder: Path, name: str) -> str:
    """A hint where a folder within has the image."""
    with suppress(DataError, OSError):
        for inner in shown_folders(folder):
            with suppress(ValueError):
                FilesWithin(inner).find(name)
                return f"; did you mean `images: {printable(inner.name)}`?"
    return "; give the folder that the names start from, as in `images: FOLDER`"
