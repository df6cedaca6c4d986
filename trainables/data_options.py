"""What a grid can ask of any data set, whatever it holds: preprocessing, fewer or worse data, folds.

`Dataset` inherits these, so that a data set's own file, a plug-in's too, says nothing of them. Some change the pictures
alike for every trial and are kept with the decoded data (`data.pixels`); the others depend on the split and are done
when a trial is prepared (`data.division`, `preparation`).
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field

from trainables.component import AddedLater, Component, Count, Probability

Preprocess = Literal["standardize", "scale", "none"]
Denoise = Literal["none", "median", "gaussian", "nlm", "autoencoder"]


def _pair(size: Any) -> Any:
    if isinstance(size, list):  # pydantic no longer knows that it came from JSON, which has no tuples
        return tuple(size)
    return (size, size) if isinstance(size, int) else size


Size = Annotated[tuple[Count, Count], BeforeValidator(_pair, json_schema_input_type=Count | tuple[Count, Count])]
"""Height and width in pixels. A single number stands for a square."""

_OF_A_TRIAL: Final = ("preprocess", "per_class", "imbalance", "label_noise", "spurious", "folds")
"""What is done when a trial is prepared, and leaves the decoded data as it is."""
_OF_CLASSES: Final = ("per_class", "imbalance", "label_noise", "spurious")
"""What has no meaning without classes."""
_OF_PIXELS: Final = ("denoise", "resize", "grayscale", "pixel_noise", "spurious")
"""What needs all pictures decoded."""


class DataOptions(Component):
    """Parameters of every data set. Each at its default leaves the data as it is."""

    preprocess: Annotated[Preprocess, AddedLater(keeps="standardize")] = "standardize"
    """Pixels as a model gets them: mean 0 and deviation 1 over the training split, 0 to 1 (scale), or 0 to 255 (none)."""
    denoise: Annotated[Denoise, AddedLater(keeps="none")] = "none"
    """A filter on every picture; nlm is non-local means, the autoencoder is trained on the training split."""
    resize: Annotated[Size | None, AddedLater(keeps=None)] = None
    """Height and width that pictures are brought to (bilinear, antialiased); one number for a square."""
    grayscale: Annotated[bool, AddedLater(keeps=False)] = False
    """Colours as one channel, by their luma (ITU-R BT.601)."""
    pixel_noise: Annotated[float, Field(ge=0, le=1), AddedLater(keeps=0.0)] = 0.0
    """Deviation of Gaussian noise on the pixels (0 to 1), before denoise; all splits, the same for every seed."""
    per_class: Annotated[Count | None, AddedLater(keeps=None)] = None
    """Labelled training pictures of each class; the other training pictures are unlabelled."""
    imbalance: Annotated[float, Field(gt=0, le=1), AddedLater(keeps=1.0)] = 1.0
    """Share of the last class's training pictures that is kept; the share falls exponentially from the first class."""
    label_noise: Annotated[Probability, AddedLater(keeps=0.0)] = 0.0
    """Share of the training labels that are replaced by another class, drawn uniformly."""
    spurious: Annotated[float | None, Field(ge=0, le=1), AddedLater(keeps=None)] = None
    """How often a patch planted at the border agrees with the class; in the test split it says nothing of the class."""
    folds: Annotated[int | None, Field(ge=2), AddedLater(keeps=None)] = None
    """Cross-validation: seed s tests on fold s modulo folds of all pictures, an official test split among them."""

    def as_decoded(self) -> Self:
        """With the options alone that are kept with the decoded data: one copy serves all levels that agree on these."""
        update: dict[str, Any] = {name: DataOptions.model_fields[name].default for name in _OF_A_TRIAL}
        if self.denoise == "autoencoder":
            update["denoise"] = "none"
        return self.model_copy(update=update)

    def of_classes(self) -> list[str]:
        """The options asked for that have no meaning without classes."""
        return self._asked(_OF_CLASSES)

    def of_pixels(self) -> list[str]:
        """The options asked for that change decoded pictures."""
        return self._asked(_OF_PIXELS)

    def _asked(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(self, name) != DataOptions.model_fields[name].default]
