"""A data set that is on this machine, looked at: counts, duplicates, mean and spread, images."""

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.cache import contents
from trainables.data.images import broken_among, raise_broken
from trainables.data.statistics import in_chunks, moments
from trainables.data.streaming import Decoding
from trainables.data.subset import SeededSplit
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples, LeftOut, StreamedExamples
from trainables.errors import DataError, first_line

# What a data set holds, for a person to look at before training on it: after Gebru et al. 2021, "Datasheets for
# Datasets" (composition), as far as it can be counted.

ImageArray = NDArray[np.uint8] | NDArray[np.float32]
"""One example's input, of the shape that `DataInfo` tells."""


@dataclass(frozen=True, slots=True)
class SplitCard:
    """A split that the data comes in."""

    name: str
    """`all`; or `train` and `test` where there is an official test split."""
    examples: int
    classes: tuple[int, ...]
    """Examples of each class, in label order; empty where there are none."""
    repeated: int
    """Examples whose content stands before in the same split."""
    mean: tuple[float, ...]
    """Of each channel, in 0..1."""
    std: tuple[float, ...]
    measured: int
    """Examples that mean and deviation are of."""


@dataclass(frozen=True, slots=True)
class TargetCard:
    """A number to predict, over all splits."""

    least: float
    mean: float
    std: float
    greatest: float
    quartiles: tuple[float, float, float]
    """A quarter, a half and three quarters of the examples lie below."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two examples of equal content: their numbers in the order of the data set, and the splits that they are in."""

    first: int
    second: int
    first_split: str
    second_split: str
    same_target: bool


@dataclass(frozen=True, slots=True)
class DataCard:
    """A data set in figures. No pixel of it is in here."""

    name: str
    about: str
    """The first lines of what its file says: where the data comes from."""
    source: str
    """The paper or the kind of source, as its file names it."""
    licence: str
    parameters: dict[str, Any]
    given: dict[str, Any]
    """Those that are not at their defaults, with what was found for them: paths, and columns of a file."""
    fingerprint: str
    input: str
    shape: tuple[int, ...]
    task: str
    classes: tuple[str, ...]
    splits: tuple[SplitCard, ...]
    targets: tuple[TargetCard, ...]
    """Where the task has no classes."""
    shared: int
    """Examples of `train` whose content is in `test` too; a sweep leaves them out of training."""
    left_out: tuple[LeftOut, ...]
    """Files among the data that are not read."""
    contradictions: int
    """Contents that stand there more than once with different targets."""
    duplicates: tuple[Duplicate, ...]
    """Some of the examples with equal content."""

    @property
    def examples(self) -> int:
        return sum(split.examples for split in self.splits)

    @property
    def imbalance(self) -> float | None:
        """Examples of the largest class for one of the smallest, over all splits; None without classes."""
        counts = self.class_counts
        return max(counts) / min(counts) if counts and all(counts) else None

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Examples of each class over all splits."""
        columns = zip(*(split.classes for split in self.splits), strict=True)
        return tuple(sum(column) for column in columns)


@dataclass(frozen=True, slots=True)
class ClassImages:
    """Some examples of a class."""

    name: str
    """Empty where there are no classes."""
    images: tuple[ImageArray, ...]


_SAMPLE: Final = 1000
"""Examples of a split whose mean and deviation are reported, where all would have to be decoded anew."""
_SAMPLE_SEED: Final = 0
_PART: Final = 16
_MAX_LISTED: Final = 20
"""Pairs of equal examples that are listed, at most."""
_THREADS: Final = 2
_ROWS: Final = 4
"""Of images, where there are no classes."""

Indices = NDArray[np.int64]


class DataView:
    """A data set that is on this machine, opened to be looked at. Nothing is downloaded."""

    def __init__(self, dataset: Dataset, location: DataLocation) -> None:
        """Decodes it where it has not been. Raises DataError."""
        self._dataset = dataset.located(location)
        plain = self._dataset.info(location)
        unfit = self._dataset.unsupported_reason(plain)
        if unfit is not None:
            raise DataError(unfit)
        self._fingerprint = self._dataset.fingerprint(location)
        found = contents(self._dataset, location, self._fingerprint)
        self._info: DataInfo = self._dataset.under_options(found.info)
        self._examples, self._hashes = found.examples, found.hashes
        outline = self._dataset.outline(location)
        self._left_out = () if outline is None else outline.left_out

    def refuse_unfit(self, dividing: SeededSplit) -> None:
        """Read every image whole and divide them. Raises DataError."""
        if not isinstance(self._examples, Examples):  # those have been decoded
            decoder = self._examples.decoder
            every = [range(len(self._examples))]
            raise_broken(broken_among(every, lambda index: decoder.decode(index, None), _THREADS))
        dividing.of(self._dataset, self._examples, self._hashes, self._info.classes)

    def card(self) -> DataCard:
        """Counted over all examples. Raises BrokenImage."""
        dataset, info = self._dataset, self._info
        parts = self._parts()
        equal = _Equal(self._hashes)
        return DataCard(
            name=dataset.name,
            about=" ".join(inspect.cleandoc(type(dataset).__doc__ or "").split("\n\n")[0].split()).replace("`", ""),
            source=first_line(sys.modules[type(dataset).__module__].__doc__ or "").rstrip("."),
            licence=dataset.licence,
            parameters=dataset.parameters(),
            given=_given(dataset),
            fingerprint=self._fingerprint,
            input=info.input,
            shape=info.shape,
            task=info.task,
            classes=info.classes,
            splits=tuple(self._split(name, indices) for name, indices in parts.items()),
            targets=() if info.classes else _targets(self._examples.targets),
            shared=int(np.isin(self._hashes[parts["train"]], self._hashes[parts["test"]]).sum())
            if "test" in parts
            else 0,
            left_out=self._left_out,
            contradictions=equal.contradictions(self._examples.targets),
            duplicates=tuple(self._duplicates(equal, parts)),
        )

    def images(self, of_each: int, max_classes: int) -> tuple[ClassImages, ...]:
        """The first examples of each of the first classes; of all where there are none. Raises BrokenImage."""
        targets = self._examples.targets
        if not self._info.classes:
            return (ClassImages("", tuple(map(self._image, range(min(of_each * _ROWS, len(targets)))))),)
        return tuple(
            ClassImages(name, tuple(self._image(int(index)) for index in np.flatnonzero(targets == label)[:of_each]))
            for label, name in enumerate(self._info.classes[:max_classes])
        )

    def _parts(self) -> dict[str, Indices]:
        official = self._examples.official_test
        if not self._info.official_test:  # folds pool what is there
            return {"all": np.arange(len(official))}
        return {"train": np.flatnonzero(~official), "test": np.flatnonzero(official)}

    def _split(self, name: str, indices: Indices) -> SplitCard:
        counts: NDArray[np.int64] = np.empty(0, np.int64)
        if self._info.classes:
            counts = np.bincount(self._examples.targets[indices].astype(np.int64), minlength=len(self._info.classes))
        sample = self._sample(indices)
        mean, std = moments(self._read(sample))
        return SplitCard(
            name=name,
            examples=len(indices),
            classes=tuple(counts.tolist()),
            repeated=len(indices) - len(np.unique(self._hashes[indices])),
            mean=tuple(mean.tolist()),
            std=tuple(std.tolist()),
            measured=len(sample),
        )

    def _sample(self, indices: Indices) -> Indices:
        if isinstance(self._examples, Examples) or len(indices) <= _SAMPLE:
            return indices
        return np.sort(np.random.default_rng(_SAMPLE_SEED).choice(indices, _SAMPLE, replace=False))

    def _read(self, indices: Indices) -> Iterator[ImageArray]:
        if isinstance(self._examples, Examples):
            return in_chunks(self._examples.inputs, indices)
        decoding = Decoding(self._examples.decoder, self._info.shape, _THREADS)
        return decoding.read((indices[start : start + _PART] for start in range(0, len(indices), _PART)), None)

    def _image(self, index: int) -> ImageArray:
        if isinstance(self._examples, StreamedExamples):
            return self._examples.decoder.decode(index, None)
        return np.array(self._examples.inputs[index])

    def _duplicates(self, equal: "_Equal", parts: dict[str, Indices]) -> Iterator[Duplicate]:
        names = np.empty(len(self._hashes), object)
        for name, indices in parts.items():
            names[indices] = name
        targets = self._examples.targets
        for first, second in equal.pairs(_MAX_LISTED):
            same = bool(np.array_equal(targets[first], targets[second]))
            yield Duplicate(first, second, str(names[first]), str(names[second]), same)


def _given(dataset: Dataset) -> dict[str, Any]:
    fields = type(dataset).model_fields
    return {
        name: value for name, value in dataset.parameters().items() if getattr(dataset, name) != fields[name].default
    }


class _Equal:
    """Examples of equal content, by their hashes."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        _, self._first, self._content = np.unique(hashes, return_index=True, return_inverse=True)

    def pairs(self, most: int) -> Iterator[tuple[int, int]]:
        """Yield each repetition with the first example of its content."""
        repeated = np.flatnonzero(self._first[self._content] != np.arange(len(self._content)))
        for index in repeated[:most].tolist():
            yield int(self._first[self._content[index]]), index

    def contradictions(self, targets: NDArray[np.generic]) -> int:
        rows = targets.reshape(len(targets), -1)
        differs = (rows != rows[self._first[self._content]]).any(axis=1)
        return len(np.unique(self._content[differs]))


def _targets(values: NDArray[Any]) -> tuple[TargetCard, ...]:
    columns = np.asarray(values, np.float64).reshape(len(values), -1).T
    return tuple(
        TargetCard(
            float(column.min()),
            float(column.mean()),
            float(column.std()),
            float(column.max()),
            tuple(np.percentile(column, (25, 50, 75)).tolist()),
        )
        for column in columns
    )
