"""Photographs of a thousand kinds (Russakovsky et al. 2015, "ImageNet Large Scale Visual Recognition Challenge", sec. 2)."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from trainables.component import NotIdentity
from trainables.data.image_dataset import ImageSource
from trainables.data.image_decoder import ImageDecoder, middle
from trainables.data.image_folders import ImageFolderSource, SplitFolder, shown_folders
from trainables.data.images import Choice, Shape
from trainables.data_options import Size
from trainables.dataset import DataInfo, DataLocation, StreamedExamples
from trainables.datasets.image_folder import ImageFolder
from trainables.errors import DataError, UnfitOption

_TRAIN: Final = "train"
_VAL: Final = "val"


class Imagenet(ImageFolder):
    """ImageNet, or any class-folder tree too large for memory: decoded by the slot's CPUs during training.

    `path/train/CLASS/...` and `path/val/CLASS/...`, as torchvision's `ImageNet` unpacks them into folders of WordNet
    ids; without `train` the class folders lie in `path` itself. `val`, whose labels are public, is the official test
    split that the field reports; `test` is not read. To train, a random part of each image is taken and resized
    (Szegedy et al. 2015); to measure, the middle. Mean and deviation are of a thousand training images drawn at
    random. Above 2 GiB the fingerprint is of names and sizes.
    """

    name: ClassVar[str] = "imagenet"
    licence: ClassVar[str] = "for non-commercial research, https://www.image-net.org/download.php"

    path: Annotated[str, Field(min_length=1), NotIdentity()] = "imagenet"
    """Looked for beside the grid file, then in the data folder."""
    size: Size = (224, 224)
    """What the part of each image is resized to."""
    channels: Literal[1, 3] = 3
    """1 is grey, 3 is RGB."""
    least_area: Annotated[float, Field(gt=0, le=1)] = 0.08
    """Smallest share of a training image's area that is taken; 1 takes the middle, as in measuring."""
    middle: Annotated[float, Field(gt=0, le=1)] = 0.875
    """Share of the short side that is evaluated: 0.875 is 224 of 256 pixels."""

    def info(self, location: DataLocation) -> DataInfo:
        return replace(super().info(location), streamed=True)

    def streamed(self, location: DataLocation) -> StreamedExamples:
        source = self._source(location)
        shape = self._shape(source, location)
        root = Path(self.located(location).path)
        try:
            decoder = ImageDecoder(source.files, root, location, shape, self.least_area, self.middle)
        except OSError as refused:
            raise DataError(f"cannot read the data: {refused}") from refused
        return StreamedExamples(decoder, source.targets, source.official_test, self._groups(source, location))

    def part(self, shape: Shape) -> Choice:
        return middle(shape[2] / shape[1], self.middle)

    def _open(self, root: Path) -> ImageSource:
        if self.target is not None:
            raise UnfitOption("target", "imagenet has classes alone; image_folder takes numbers to predict")
        return ImageFolderSource(root, _splits)


def _splits(root: Path) -> list[SplitFolder]:
    """`train` and `val` where they are, else the root. Raises DataError, OSError."""
    named = {folder.name: folder for folder in shown_folders(root) if folder.name in (_TRAIN, _VAL)}
    if _TRAIN not in named:
        if _VAL in named:
            raise DataError(f"{root} has {_VAL} and no {_TRAIN}; add it, or give the path of {_VAL} alone")
        return [SplitFolder(root, False)]
    bare = [name for name, folder in named.items() if not shown_folders(folder)]
    if bare:
        raise DataError(
            f"{root}/{bare[0]} has no class folders; sort its images into one for each class, as "
            f"torchvision.datasets.ImageNet does"
        )
    return [SplitFolder(folder, name == _VAL) for name, folder in sorted(named.items())]
