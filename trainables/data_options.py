"""What a grid can ask of any data set, whatever it holds: preprocessing, fewer or worse data, folds, a stream."""

from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from trainables.component import AddedLater, Component, Count, NotIdentity, Probability, or_one

Preprocess = Literal["standardize", "scale", "none"]
Denoise = Literal["none", "median", "gaussian", "nlm", "autoencoder"]


def _pair(size: Any) -> Any:
    if isinstance(size, list):  # pydantic no longer knows that it came from JSON, which has no tuples
        return tuple(size)
    return (size, size) if isinstance(size, int) else size


Size = Annotated[tuple[Count, Count], BeforeValidator(_pair, json_schema_input_type=Count | tuple[Count, Count])]
"""Height and width in pixels. A single number stands for a square."""

_OF_A_TRIAL: Final = (
    *("preprocess", "per_class", "imbalance", "skew", "label_noise", "spurious", "folds", "stream", "seen", "positive"),
)
"""What is done when a trial is prepared, and leaves the decoded data as it is."""
_OF_CLASSES: Final = ("per_class", "imbalance", "skew", "label_noise", "spurious")
"""What has no meaning without classes."""
_OF_PIXELS: Final = ("denoise", "resize", "grayscale", "pixel_noise", "spurious")
"""What needs all images decoded."""

_CUE_SHARE: Final = 8
"""A planted cue's patch is an eighth of the smaller side, and at least two pixels."""
_MIN_CUE: Final = 2
_CUE_PATTERNS: Final = 4
"""White left, right, above or below of black: seen on any background."""


def max_cues(height: int, width: int) -> int:
    """Return how many different patches there are for images of this size."""
    return _CUE_PATTERNS * len(cue_corners(height, width))


def cue_side(height: int, width: int) -> int:
    """Return the side of the square patch, in pixels."""
    return max(_MIN_CUE, min(height, width) // _CUE_SHARE)


def cue_corners(height: int, width: int) -> list[tuple[int, int]]:
    """Top and left of the places along the border, that do not overlap."""
    side = cue_side(height, width)
    rows, columns = height // side, width // side
    return [
        (row * side, column * side)
        for row in range(rows)
        for column in range(columns)
        if row in (0, rows - 1) or column in (0, columns - 1)
    ]


Part = Literal["train", "validation", "test"]
_PARTS: Final[tuple[Part, ...]] = get_args(Part)


def _listed(parts: Any) -> Any:
    return tuple(parts) if isinstance(parts, list) else parts  # as in `_pair`


def _in_order(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    if len(set(parts)) < len(parts):
        raise ValueError("it names a split twice")
    return tuple(part for part in _PARTS if part in parts)


Parts = Annotated[
    tuple[Part, ...],
    Field(min_length=1),
    BeforeValidator(_listed, json_schema_input_type=list[Part]),
    AfterValidator(_in_order),
]
"""Splits, each once; equal whatever their order."""


# Pictures that change while they come: the test split as a stream of blocks, under a schedule of shifts.

CorruptionName = Literal[
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "gaussian_blur",
    "motion_blur",
    "brightness",
    "contrast",
    "fog",
    "jpeg",
    "pixelate",
    "rotate",
    "translate",
]
"""What `data.shifts.corruptions` can do to a picture."""

Severity = Annotated[int, Field(ge=1, le=5)]
Block = Annotated[int, Field(ge=0)]
"""Number of a block, from 0."""
_PLAIN: Final = ConfigDict(
    frozen=True,
    extra="forbid",
    allow_inf_nan=False,
    strict=True,
    serialize_by_alias=True,
    validate_by_name=True,
    validate_by_alias=True,
)


class Shift(BaseModel):
    """One change of the pictures of a stream, and in which blocks it holds."""

    model_config = _PLAIN

    name: CorruptionName
    """A corruption of ImageNet-C or MNIST-C."""
    first: Annotated[Block, Field(alias="from", description="The first block that it changes.")] = 0
    until: Annotated[int, Field(ge=1)] | None = None
    """The first block that is as before again; the end of the stream when not given."""
    severity: Severity | None = None
    """How strong it is, the same in all of its blocks."""
    to: Annotated[float, Field(ge=-180, le=180)] | None = None
    """In place of a severity, of `rotate`: degrees, which rise evenly from 0 in its first block to so many in its last."""

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if self.to is not None and self.name != "rotate":
            raise ValueError(f"to is an angle in degrees, of rotate alone; give {self.name} a severity")
        if (self.severity is None) == (self.to is None):
            more = " or to (degrees)" if self.name == "rotate" else ""
            raise ValueError(
                f"{self.name} needs {'either ' if self.severity and more else ''}a severity (1 to 5){more}"
            )
        if self.until is not None and self.until <= self.first:
            raise ValueError(f"a shift from block {self.first} until {self.until} changes no block")
        return self

    def degrees(self, block: int, blocks: int) -> float | None:
        """How far pictures of a block of so many are turned; None where it has a severity."""
        if self.to is None:
            return None
        last = (self.until or blocks) - 1
        return self.to * (block - self.first) / (last - self.first) if last > self.first else self.to

    def named(self, block: int, blocks: int) -> str:
        """What it is in a block, for display: `fog 3`, or `rotate 13.5 degrees`."""
        degrees = self.degrees(block, blocks)
        return f"{self.name} {self.severity}" if degrees is None else f"{self.name} {degrees:.4g} degrees"


class Stream(BaseModel):
    """A test split in the order in which its pictures come: blocks, and what changes them meanwhile."""

    model_config = _PLAIN

    blocks: Annotated[int, Field(ge=2, le=1000)] = 20
    """Into how many blocks of equal size the test split is cut."""
    shift: Annotated[tuple[Shift, ...], or_one(dict, Shift | tuple[Shift, ...])] = ()
    """What happens to the pictures, one after another where blocks are shared; nothing where none is given."""

    @model_validator(mode="after")
    def _has_these_blocks(self) -> Self:
        for shift in self.shift:
            until = "" if shift.until is None else f" until {shift.until}"
            if max(shift.first, (shift.until or 1) - 1) >= self.blocks:
                raise ValueError(
                    f"{shift.name} is from block {shift.first}{until}, but the stream has blocks 0 to {self.blocks - 1}"
                )
        return self

    def acting(self, block: int) -> tuple[Shift, ...]:
        """The shifts of a block, in the order in which they change its pictures."""
        return tuple(
            shift for shift in self.shift if shift.first <= block and (shift.until is None or block < shift.until)
        )


class DataOptions(Component):
    """Parameters of every data set. Each at its default leaves the data as it is."""

    preprocess: Annotated[Preprocess, AddedLater(keeps="standardize")] = "standardize"
    """Pixels as a model gets them: standardized over the training split, 0 to 1 (scale), or 0 to 255 (none)."""
    denoise: Annotated[Denoise, AddedLater(keeps="none")] = "none"
    """A filter on every image; nlm is non-local means, the autoencoder is trained on the training split."""
    resize: Annotated[Size | None, AddedLater(keeps=None)] = None
    """Height and width that images are resized to (bilinear, antialiased); one number for a square."""
    grayscale: Annotated[bool, AddedLater(keeps=False)] = False
    """Colours as one channel, by their luma (ITU-R BT.601)."""
    pixel_noise: Annotated[float, Field(ge=0, le=1), AddedLater(keeps=0.0)] = 0.0
    """Standard deviation of Gaussian noise on pixels of 0 to 1, before denoise; on all splits, the same for every seed."""
    per_class: Annotated[Count | None, AddedLater(keeps=None)] = None
    """Labelled training images of each class; the other training images are unlabelled."""
    imbalance: Annotated[float, Field(gt=0, le=1), AddedLater(keeps=1.0)] = 1.0
    """Share of the last class's training images that is kept; the share falls exponentially from the first class."""
    skew: Annotated[Parts, AddedLater(keeps=["train"])] = ("train",)
    """Splits that imbalance makes uneven: any of train, validation and test."""
    label_noise: Annotated[Probability, AddedLater(keeps=0.0)] = 0.0
    """Share of the training labels that are replaced by another class, drawn uniformly."""
    spurious: Annotated[float | None, Field(ge=0, le=1), AddedLater(keeps=None)] = None
    """How often a patch planted at the border agrees with the class; in the test split it says nothing about the class."""
    folds: Annotated[int | None, Field(ge=2), AddedLater(keeps=None)] = None
    """Cross-validation: seed s tests on fold s modulo folds of all images, including an official test split."""
    stream: Annotated[Stream | None, AddedLater(keeps=None)] = None
    """The test split as blocks that come in order and change: `{blocks: 20, shift: {name: rotate, to: 45}}`, say."""
    seen: Annotated[Block, AddedLater(keeps=0)] = 0
    """Blocks of the stream that have come: four fifths of each are trained on, the last fifth is validated on, and the test
    split is the blocks that follow."""
    positive: Annotated[str | int | None, NotIdentity()] = None
    """The class of interest, by its name or else its index: `val_recall[defect]` and the like are measured of it. No part of
    what a trial is: one that has ended keeps its figures, and the class that they are of."""

    def as_decoded(self) -> Self:
        """Keep the options alone that are stored with the decoded data: one copy serves all levels that agree on these."""
        update: dict[str, Any] = {name: DataOptions.model_fields[name].default for name in _OF_A_TRIAL}
        if self.denoise == "autoencoder":
            update["denoise"] = "none"
        return self.model_copy(update=update)

    def of_classes(self) -> list[str]:
        """The options asked for that have no meaning without classes."""
        return self._asked(_OF_CLASSES)

    def of_pixels(self) -> list[str]:
        """The options asked for that change decoded images."""
        return self._asked(_OF_PIXELS)

    def _asked(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(self, name) != DataOptions.model_fields[name].default]
