"""What a data set is: where its files lie, what it says of itself before it is read, and its decoded examples."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from trainables.component import Component

Input = Literal["image", "clip"]


@dataclass(frozen=True, slots=True)
class DataPlace:
    """Where data is looked for on this machine, and where decoded copies are kept."""

    data: Path | None
    """The data folder (`--data` or ORCH_DATA)."""
    beside: Path | None
    """The folder of the grid file: relative paths of a level are looked for here first."""
    cache: Path
    """Decoded arrays and fingerprints; safe to delete while nothing runs."""

    def find(self, path: str) -> Path | None:
        """The first of `beside`/path and `data`/path that exists; an absolute path is taken as it is."""
        roots = [root for root in (self.beside, self.data) if root is not None]
        candidates = [Path(path)] if Path(path).is_absolute() else [root / path for root in roots]
        return next((candidate.resolve() for candidate in candidates if candidate.exists()), None)


@dataclass(frozen=True, slots=True)
class DataInfo:
    """What models and regularizers may know of a data set before it is loaded."""

    name: str
    input: Input
    shape: tuple[int, ...]
    """One example: (channels, height, width), or (frames, channels, height, width) for a clip."""
    task: str
    """Name of the task: `classification`, `regression` or a plug-in's."""
    classes: tuple[str, ...] = ()
    """Names of the classes in label order; empty where the task has none."""
    targets: int = 1
    """Numbers to predict for one example, where the task has no classes."""
    official_test: bool = False
    """Whether the data comes with a test split of its own."""
    directed: bool = False
    """Whether an example that is mirrored or turned belongs to another class, as a movement does."""

    @property
    def channels(self) -> int:
        return self.shape[-3]

    @property
    def height(self) -> int:
        return self.shape[-2]

    @property
    def width(self) -> int:
        return self.shape[-1]


@dataclass(frozen=True, slots=True)
class Examples:
    """A decoded data set.

    inputs: uint8 in 0..255 or float32 in 0..1, shape (examples, *DataInfo.shape).
    targets: int64 (examples,) for classes, float32 (examples, DataInfo.targets) for numbers.
    official_test: bool (examples,), true where an example belongs to the official test split.
    groups: int64 (examples,), equal and at least 0 for examples that have to stay in one split, such as a person's; or
    None where each stands for itself.
    """

    inputs: NDArray[np.uint8] | NDArray[np.float32]
    targets: NDArray[np.int64] | NDArray[np.float32]
    official_test: NDArray[np.bool_]
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.inputs)


class Dataset(Component):
    """A level of the `dataset` axis."""

    kind: ClassVar[str] = "dataset"
    licence: ClassVar[str] = ""
    """What the source says of its use, with an address."""

    def located(self, place: DataPlace) -> Self:
        """This data set with its paths made absolute. Raises DataMissing where a path does not exist."""
        return self

    def fetch(self, place: DataPlace) -> None:
        """Download what is missing, where the data set can be downloaded. Raises DataMissing when it stays missing."""
        return

    @abstractmethod
    def info(self, place: DataPlace) -> DataInfo:
        """Shape, task and classes, from names and headers alone. Raises DataMissing."""

    @abstractmethod
    def fingerprint(self, place: DataPlace) -> str:
        """Hex digest of the content, the same wherever and however packed the files lie. Raises DataMissing."""

    @abstractmethod
    def load(self, place: DataPlace) -> Examples:
        """Decode everything. Called once a machine (`data.cache`). Raises DataMissing, BrokenPicture."""
