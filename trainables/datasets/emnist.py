"""Handwritten letters and digits (Cohen et al. 2017, "EMNIST: an extension of MNIST to handwritten letters", sec. II)."""

from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits
from typing import ClassVar, Final, Literal

import numpy as np

from trainables.datasets._idx import IdxDataset, Images, Labels

_UNLIKE_CAPITALS: Final = "abdefghnqrt"
"""Small letters with a class of their own where those that look like their capitals are merged with them (table II)."""
_CLASSES: Final = {
    "balanced": digits + ascii_uppercase + _UNLIKE_CAPITALS,
    "bymerge": digits + ascii_uppercase + _UNLIKE_CAPITALS,
    "byclass": digits + ascii_uppercase + ascii_lowercase,
    "letters": ascii_lowercase,
    "digits": digits,
    "mnist": digits,
}


class Emnist(IdxDataset):
    """MNIST's forms, drawn from NIST Special Database 19 in the same way: 28 x 28, grey, up to 62 classes.

    Read from the data folder: torchvision's `EMNIST/raw/`, the IDX files (gzipped or not) in `emnist/`, in the folder
    `gzip` of the published archive there, or in the data folder itself. The published images are transposed; they
    are put right here.
    """

    name: ClassVar[str] = "emnist"
    licence: ClassVar[str] = "public domain (NIST), https://www.nist.gov/itl/products-and-services/emnist-dataset"
    folders: ClassVar[tuple[str, ...]] = ("emnist", "emnist/gzip", "gzip")
    torchvision_name: ClassVar[str] = "EMNIST"
    classes: ClassVar[tuple[str, ...]] = ()

    split: Literal["balanced", "letters", "digits", "byclass", "bymerge", "mnist"] = "balanced"
    """`balanced`: 131,600 of 47 classes; `letters`: 145,600 of 26; `digits`: 280,000 and `mnist`: 70,000 of 10;
    `byclass` and `bymerge`: all 814,255 of 62 or 47, as unequal as they were written."""

    def file_names(self) -> tuple[str, ...]:
        kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
        return tuple(f"emnist-{self.split}-{part}-{kind}" for part in ("train", "test") for kind in kinds)

    def class_names(self) -> tuple[str, ...]:
        return tuple(_CLASSES[self.split])

    def put_right(self, images: Images, labels: Labels) -> tuple[Images, Labels]:
        first = 1 if self.split == "letters" else 0
        return np.ascontiguousarray(images.swapaxes(1, 2)), labels - first

    def _download(self, folder: Path) -> None:
        from torchvision import datasets  # slow to import, and needed by a download alone

        datasets.EMNIST(folder, split=self.split, download=True)
        (folder / "EMNIST" / "raw" / "gzip.zip").unlink()
