"""Handwritten digits that scikit-learn ships (Alpaydin and Kaynak 1998, UCI "Optical Recognition of ... Digits")."""

from typing import ClassVar, Final

import numpy as np

from trainables.data.content import digest_of_arrays
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples
from trainables.errors import DataError

_CONTENT: Final = "5061355c4455ff29f5424e0620e08da0"
"""Digest of the decoded examples; known beforehand, so that a plan need not import scikit-learn."""
_WHITE: Final = 16
"""The greatest value of a pixel, which counts the set bits of a 4 x 4 block."""


class Digits(Dataset):
    """1,797 images, 8 x 8, grey, of the digits 0 to 9; no official test split. Needs no file and no network."""

    name: ClassVar[str] = "digits"
    licence: ClassVar[str] = "CC BY 4.0, https://archive.ics.uci.edu/dataset/80"

    def info(self, location: DataLocation) -> DataInfo:
        return DataInfo(self.name, "image", (1, 8, 8), "classification", tuple("0123456789"))

    def fingerprint(self, location: DataLocation) -> str:
        return _CONTENT

    def load(self, location: DataLocation) -> Examples:
        from sklearn.datasets import load_digits  # slow to import

        pixels, labels = load_digits(return_X_y=True)
        inputs = np.round(pixels.reshape(-1, 1, 8, 8) * (255 / _WHITE)).astype(np.uint8)
        targets = labels.astype(np.int64)
        if digest_of_arrays([inputs, targets]) != _CONTENT:
            raise DataError("scikit-learn's digits are not the published ones; install scikit-learn again")
        return Examples(inputs, targets, np.zeros(len(inputs), dtype=bool))
