"""Handwritten digits (LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", sec. III.A)."""

from typing import ClassVar

from trainables.datasets._idx import IdxDataset


class Mnist(IdxDataset):
    """60,000 training and 10,000 test images, 28 x 28, grey.

    Read from the data folder: torchvision's `MNIST/raw/`, the IDX files (gzipped or not) in `mnist/`, or the data
    folder itself where it holds them.
    """

    name: ClassVar[str] = "mnist"
    licence: ClassVar[str] = "CC BY-SA 3.0, http://yann.lecun.com/exdb/mnist/"
    folders: ClassVar[tuple[str, ...]] = ("mnist",)
    torchvision_name: ClassVar[str] = "MNIST"
    classes: ClassVar[tuple[str, ...]] = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
