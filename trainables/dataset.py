"""What a data set is: where its files lie, what it says of itself before it is read, and its decoded examples."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from trainables.data_options import DataOptions, Preprocess, max_cues
from trainables.errors import DataError, UnfitOption, alike, meant

_NAMES_TOLD: Final = 10


def _listed_names(classes: Sequence[str]) -> str:
    more = len(classes) - _NAMES_TOLD
    return ", ".join(classes[:_NAMES_TOLD]) + (f" and {more} more" if more > 0 else "")


# What is known of a data set before any of its examples is decoded.


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Files of one kind that lie among the data and are not read."""

    what: str
    """Their ending, such as `.heic`, or `no ending`."""
    files: int
    example: str
    """The path of one."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Labels and names; of clips, one example stands for all that are cut from a recording."""

    classes: tuple[str, ...]
    targets: NDArray[np.int64] | NDArray[np.float32]
    """As in Examples, and so are the next two."""
    official_test: NDArray[np.bool_]
    groups: NDArray[np.int64] | None
    left_out: tuple[LeftOut, ...]

    def __len__(self) -> int:
        return len(self.targets)

    def only(self, kept: NDArray[np.bool_]) -> "Outline":
        """Return these examples alone."""
        groups = None if self.groups is None else self.groups[kept]
        return replace(self, targets=self.targets[kept], official_test=self.official_test[kept], groups=groups)


# Examples that are decoded while they are trained on, since all of them together do not fit in memory.


class Decoder(ABC):
    """Where the inputs of single examples come from."""

    @abstractmethod
    def decode(self, example: int, key: int | None) -> NDArray[np.uint8]:
        """The input of one example, (*DataInfo.shape). Called from several threads. Raises BrokenImage.

        key: of the training epoch, 0 to 2**63 - 1, where the input is drawn at random: the same for the same key and
        example. None for what is measured on, which is always the same.
        """

    @abstractmethod
    def content_hashes(self) -> NDArray[np.uint64]:
        """uint64 (examples,), equal where two examples have the same content. Raises DataError, BrokenImage."""


@dataclass(frozen=True, slots=True)
class StreamedExamples:
    """What a data set hands out in place of `Examples` (`Dataset.streamed`): all but the inputs."""

    decoder: Decoder
    targets: NDArray[np.int64] | NDArray[np.float32]
    """As in Examples, and so are the others."""
    official_test: NDArray[np.bool_]
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.targets)


ImageArray = NDArray[np.uint8]
"""One to be looked at: (height, width) grey, or (height, width, 3) red, green and blue."""
Input = Literal["image", "clip"]


@dataclass(frozen=True, slots=True)
class DataLocation:
    """Where data is looked for on this machine, and where decoded copies are kept."""

    data: Path | None
    """The data folder (`--data` or ORCH_DATA)."""
    beside: Path | None
    """The folder of the grid file: relative paths of a level are looked for here first."""
    cache: Path
    """Decoded arrays and fingerprints; safe to delete while nothing runs."""
    host: str = ""
    """The machine that the cache is on; empty where every machine has it under this path."""

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
    preprocess: Preprocess = "standardize"
    """What a model's inputs are: standardised, 0 to 1, or 0 to 255."""
    streamed: bool = False
    """Whether its examples are decoded while they are used (`Dataset.streamed`): they never lie in memory whole."""
    stream: bool = False
    """Whether its test split comes as a stream of blocks."""
    positive: str | None = None
    """Name of the class of interest, one of `classes`; None where the grid names none."""

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
    targets: int64 (examples,) for classes, float32 for numbers: (examples, DataInfo.targets), or as the task says
    (`Task.target_shape`).
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


class Dataset(DataOptions):
    """A level of the `dataset` axis. What it says and loads is plain: the options are followed outside of it."""

    role: ClassVar[str] = "dataset"
    licence: ClassVar[str] = ""
    """What the source says of its use, with an address."""

    def located(self, location: DataLocation) -> Self:
        """This data set with its paths made absolute. Raises DataMissing where a path does not exist."""
        return self

    def fetch(self, location: DataLocation) -> None:
        """Download what is missing, where the data set can be downloaded. Raises DataMissing when it stays missing."""
        return

    @abstractmethod
    def info(self, location: DataLocation) -> DataInfo:
        """Shape, task and classes, from names and headers alone. Raises DataMissing."""

    def content_files(self, location: DataLocation) -> Sequence[str]:
        """The files that the content is read of, in a fixed order; none where it is of no files, or they are not reported.

        What is decoded is thrown away where one of them has changed meanwhile. Raises DataMissing.
        """
        return ()

    @abstractmethod
    def fingerprint(self, location: DataLocation) -> str:
        """Hex digest of the content, the same wherever and however packed the files lie. Raises DataMissing."""

    def outline(self, location: DataLocation, without: Collection[str] = ()) -> Outline | None:
        """Return what names and labels alone say of the examples, where that can be told; else None. Raises DataError.

        without: images that are left out, as errors name them.
        """
        return None

    def sources(self, location: DataLocation) -> Sequence[str] | None:
        """Return the file of each example, as users know it, in the order of the examples; None where there are none, or
        they are not there any more. For people to read: nothing is opened by it.
        """
        return None

    def unreadable(self, location: DataLocation) -> Sequence[DataError]:
        """Return what only reading every example whole finds, where that is asked for because something else is wrong."""
        return ()

    def streamed(self, location: DataLocation) -> StreamedExamples | None:
        """Its examples, decoded while they are used, where they are too many for memory; else None, and `load` has them."""
        return None

    @abstractmethod
    def load(self, location: DataLocation) -> Examples:
        """Decode everything. Called once a machine (`data.cache`). Raises DataMissing, BrokenImage."""

    def described(self, location: DataLocation) -> DataInfo:
        """`info` under the options: what models and regularizers are told. Raises DataMissing."""
        return self.under_options(self.info(location))

    def under_options(self, plain: DataInfo) -> DataInfo:
        """Return what `info` says, as the options change it. Raises UnfitOption where there is no such class, and where
        nothing of it can come as a stream."""
        self._refuse_unfit_stream(plain)
        *frames, channels, height, width = plain.shape
        height, width = self.resize or (height, width)
        return replace(
            plain,
            shape=(*frames, 1 if self.grayscale else channels, height, width),
            official_test=plain.official_test and self.folds is None,
            preprocess=self.preprocess,
            stream=self.stream is not None,
            positive=self._positive_of(plain),
        )

    def _refuse_unfit_stream(self, plain: DataInfo) -> None:
        if self.stream is None:
            if self.seen:
                raise UnfitOption("seen", "seen counts blocks of a stream, and there is none; give stream too")
            return
        if self.seen >= self.stream.blocks:
            raise UnfitOption(
                "seen",
                f"seen is {self.seen}, and the stream has {self.stream.blocks} blocks; one at least is left to test on",
            )
        channels = 1 if self.grayscale else plain.channels
        why = {
            "folds tests on every image, but a stream is of the test split alone": self.folds is not None,
            "denoise filters images before the stream changes them; leave it out": self.denoise != "none",
            f"{plain.name} has {plain.input} inputs, and a stream is of images": plain.input != "image",
            f"{plain.name} has no classes, and a stream is of images with classes": not plain.classes,
            f"images of {plain.name} are decoded during training, and a stream changes decoded ones": plain.streamed,
            f"{plain.name} has {channels} channels, and a stream is of grey images or those of 3": channels
            not in (1, 3),
        }
        for reason in (reason for reason, holds in why.items() if holds):
            raise UnfitOption("stream", reason)

    def _positive_of(self, plain: DataInfo) -> str | None:
        """The name of the class that `positive` names: a number is a name where a class is called so."""
        if self.positive is None:
            return None
        if not plain.classes:
            raise UnfitOption("positive", f"positive names a class, but {plain.name} has none: its target is a number")
        if str(self.positive) in plain.classes:
            return str(self.positive)
        if isinstance(self.positive, int) and 0 <= self.positive < len(plain.classes):
            return plain.classes[self.positive]
        near = meant(alike(str(self.positive), plain.classes), f"there are {_listed_names(plain.classes)}")
        raise UnfitOption("positive", f"{plain.name} has no class {self.positive!r}; {near}")

    def unsupported_reason(self, plain: DataInfo) -> str | None:
        """Return None, or the reason why the options make no sense of what `info` says (it becomes that of skipped rows)."""
        if plain.streamed and (asked := self.of_pixels()):
            return f"{asked[0]} changes decoded images, but those of {plain.name} are decoded during training"
        changed = self.under_options(plain)
        needing = self.of_classes()
        if needing and len(plain.classes) < 2:
            return f"{needing[0]} needs classes, but {plain.name} has none"
        if self.grayscale and plain.channels not in (1, 3):
            return f"grayscale needs images of 3 channels, but {plain.name} has {plain.channels}"
        room = max_cues(changed.height, changed.width)
        if self.spurious is not None and len(plain.classes) > room:
            return (
                f"spurious has {room} different patches for images of {changed.height} x {changed.width}, and "
                f"{plain.name} has {len(plain.classes)} classes"
            )
        return None
