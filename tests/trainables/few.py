"""64 training examples, as images or clips of any size: enough to take a few steps with, few enough to learn by heart."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from trainables.dataset import DataInfo, DataLocation, Dataset, Examples

CLASSES = 8
POOL, TEST = 10, 2
"""Of each class: a fifth of the pool is validated on, so that 64 are left to train on."""


class FewDigits(Dataset):
    """Handwritten digits 0 to 7 of scikit-learn: 80 to train and validate on, 16 to test on."""

    name: ClassVar[str] = "few_digits"

    side: int = 8
    """Pixels; a multiple of 8."""
    channels: int = 1
    frames: int = 0
    """Of a clip in which the digit moves to the right; 0 for images."""
    task: str = "classification"
    """With regression the digit is the number to predict."""

    def info(self, place: DataLocation) -> DataInfo:
        shape = (self.channels, self.side, self.side)
        classes = tuple("01234567") if self.task == "classification" else ()
        kind = "clip" if self.frames else "image"
        return DataInfo(
            self.name, kind, (self.frames, *shape) if self.frames else shape, self.task, classes, official_test=True
        )

    def fingerprint(self, place: DataLocation) -> str:
        return "few"

    def load(self, place: DataLocation) -> Examples:
        pixels, labels = load_digits(return_X_y=True)
        chosen = np.concatenate([np.flatnonzero(labels == digit)[: POOL + TEST] for digit in range(CLASSES)])
        images = np.round(pixels[chosen].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
        images = np.kron(images, np.ones((1, self.channels, self.side // 8, self.side // 8), np.uint8))
        official_test = np.tile(np.arange(POOL + TEST) >= POOL, CLASSES)
        targets = labels[chosen].astype(np.int64)
        numbers = targets if self.task == "classification" else targets.astype(np.float32)[:, None]
        return Examples(self._moving(images) if self.frames else images, numbers, official_test)

    def _moving(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.stack([np.roll(images, frame, axis=3) for frame in range(self.frames)], axis=1)
