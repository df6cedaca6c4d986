"""A data set whose images tell their number: whoever is shown one can be asked which it was."""

import numpy as np
from numpy.typing import NDArray

from trainables.dataset import DataInfo, DataLocation, Dataset, Examples

SIDE = 8
CLASSES = ("top", "middle", "bottom")
COUNT = 240


class Numbered(Dataset):
    """The first two pixels of an image hold its number, a bright bar its class; the last 60 are the official test."""

    name = "numbered"

    def info(self, place: DataLocation) -> DataInfo:
        return DataInfo(self.name, "image", (1, SIDE, SIDE), "classification", CLASSES, official_test=True)

    def fingerprint(self, place: DataLocation) -> str:
        return "0" * 32

    def load(self, place: DataLocation) -> Examples:
        labels = np.arange(COUNT) % 3
        inputs = np.random.default_rng(0).integers(0, 60, (COUNT, 1, SIDE, SIDE))
        for label in range(3):
            inputs[labels == label, 0, 2 * label + 1 : 2 * label + 3] += 190
        inputs[:, 0, 0, 0], inputs[:, 0, 0, 1] = np.arange(COUNT) // 100, np.arange(COUNT) % 100
        return Examples(inputs.astype(np.uint8), labels.astype(np.int64), np.arange(COUNT) >= COUNT - 60)


def numbers(inputs: NDArray[np.uint8]) -> list[int]:
    """Of images as they are stored, in their order."""
    return (inputs[:, 0, 0, 0].astype(int) * 100 + inputs[:, 0, 0, 1]).tolist()
