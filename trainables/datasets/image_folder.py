"""A user's own images in a folder for each class, as torchvision's `ImageFolder` reads them."""

from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field

from trainables.component import NotIdentity
from trainables.data.image_dataset import ImageSource, ListedGroups, located_file
from trainables.data.image_folders import ImageFolderSource, NumberedFolder
from trainables.dataset import DataLocation


class ImageFolder(ListedGroups):
    """`path/CLASS/**/image.png`, or `path/train/CLASS/...` and `path/test/CLASS/...`, the official test split.

    Images of the usual formats of pixels (`data.images`); hidden files, and images outside of class folders, are
    left out. A folder `val` beside `train` joins the pool that the protocol splits. Folders called as splits are, with
    anything else beside them or without class folders, are an error. Above 2 GiB the fingerprint is of names and sizes.
    `groups` is a CSV file, `path,group` with the paths of images within `path`, looked for where `path` is, then in it;
    so is `target`, `path,target`, with which the images need no class folders.
    """

    name: ClassVar[str] = "image_folder"

    target: Annotated[str | None, Field(min_length=1), NotIdentity()] = None
    """A CSV file, `path,target`, of numbers to predict in place of classes: the task is then regression."""

    def located(self, location: DataLocation) -> Self:
        return located_file(super().located(location), "target", location, Path.is_file)

    def _lists(self, location: DataLocation) -> list[str]:
        return self.located(location)._named_lists()

    def _named_lists(self) -> list[str]:
        return [path for path in (self.groups, self.target) if path is not None]

    def _open(self, root: Path) -> ImageSource:
        if self.target is None:
            return ImageFolderSource(root)
        return NumberedFolder(root, Path(self.target), self._named_lists())
