"""A user's own pictures in a folder for each class, as torchvision's `ImageFolder` reads them."""

from pathlib import Path
from typing import ClassVar, Self

from trainables.data.picture_dataset import PictureDataset, PictureSource, located_list
from trainables.data.picture_folder import PictureFolder
from trainables.dataset import DataPlace


class ImageFolder(PictureDataset):
    """`path/CLASS/**/picture.png`, or `path/train/CLASS/...` and `path/test/CLASS/...`, the official test split.

    Pictures of the usual formats of pixels (`data.pictures`); hidden files, and pictures outside of class folders, are
    left out. A folder `val` beside `train` joins the pool that the protocol splits. Folders called as splits are, with
    anything else beside them or without class folders, are an error. Above 2 GiB the fingerprint is of names and sizes.
    `groups` is a CSV file, `path,group` with the paths of pictures within `path`, looked for where `path` is, then in it.
    """

    name: ClassVar[str] = "image_folder"

    def located(self, place: DataPlace) -> Self:
        return located_list(super().located(place), place)

    def _lists(self, place: DataPlace) -> list[str]:
        groups = self.located(place).groups
        return [] if groups is None else [groups]

    def _open(self, root: Path) -> PictureSource:
        return PictureFolder(root)
