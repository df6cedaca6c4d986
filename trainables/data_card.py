"""What a data set holds, for a person to look at before training on it: after Gebru et al. 2021, "Datasheets for Datasets"
(composition), as far as it can be counted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.outline import LeftOut

Picture = NDArray[np.uint8] | NDArray[np.float32]
"""One example's input, of the shape that `DataInfo` tells."""


@dataclass(frozen=True, slots=True)
class SplitCard:
    """One of the splits that the data comes in."""

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
    """One number to predict, over all splits."""

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
class ClassPictures:
    """Some examples of a class."""

    name: str
    """Empty where there are no classes."""
    pictures: tuple[Picture, ...]
