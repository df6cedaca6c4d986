"""Pictures below a folder with a number to predict for each: no class folders are needed."""

from collections.abc import Collection
from pathlib import Path

from trainables.data.folder_layout import numbered_folders
from trainables.data.found_pictures import FoundPictures, pictures_below
from trainables.data.leavings import Leavings
from trainables.data.number_list import listed_numbers
from trainables.errors import DataMissing


class NumberedFolder(FoundPictures):
    """All pictures, by split and name, in folders or not; `train` and `test` are splits where both are there."""

    def __init__(self, root: Path, numbers: Path, lists: Collection[str]) -> None:
        """numbers: the CSV file. lists: such files, which may lie among the pictures.

        Raises DataMissing where there is no folder, UnfitOption, BrokenPicture, OSError.
        """
        if not root.is_dir():
            raise DataMissing(f"{root} is not a folder; pictures are expected in one")
        leavings = Leavings(lists)
        splits = numbered_folders(root)
        found = [found for split in splits for found in pictures_below(split.path, "", split.test, leavings)]
        super().__init__(root, found, leavings)
        self.classes = ()
        self.targets = listed_numbers(numbers, self.names_within())

    def refuse_unfit(self) -> None:
        if self.official_test.all():
            raise DataMissing(f"{self._root} holds no pictures to learn from (endings such as .png, .jpg, .tif)")
