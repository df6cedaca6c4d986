"""The embedded handwritten digits (Alpaydin and Kaynak 1998, UCI "Optical Recognition of Handwritten Digits").

They are those of the test part that scikit-learn's `load_digits` has, and lie beside this file.
"""

from pathlib import Path
from typing import ClassVar, Final
from zipfile import BadZipFile

import numpy as np

from trainables.data.content import digest_of_arrays
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples
from trainables.errors import DataError

_FILE: Final = Path(__file__).with_name("_digits.npz")
_CONTENT: Final = "5061355c4455ff29f5424e0620e08da0"
"""Digest of the decoded examples; known beforehand, so that a plan need not read them."""
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
        try:
            with np.load(_FILE, allow_pickle=False) as arrays:
                pixels, labels = arrays["pixels"], arrays["labels"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as unreadable:
            raise DataError(f"{_FILE} cannot be read ({unreadable}); install orch again") from unreadable
        inputs = np.round(pixels[:, np.newaxis] * (255 / _WHITE)).astype(np.uint8)
        targets = labels.astype(np.int64)
        if digest_of_arrays([inputs, targets]) != _CONTENT:
            raise DataError(f"{_FILE} does not hold the published digits; install orch again")
        return Examples(inputs, targets, np.zeros(len(inputs), dtype=bool))
