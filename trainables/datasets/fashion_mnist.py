"""Images of clothes (Xiao, Rasul and Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset", arXiv:1708.07747)."""

from pathlib import Path
from typing import ClassVar

from trainables.datasets._idx import IdxDataset


class FashionMnist(IdxDataset):
    """60,000 training and 10,000 test images, 28 x 28, grey.

    Read from the data folder: torchvision's `FashionMNIST/raw/`, the IDX files (gzipped or not) in `fashion_mnist/` or
    `fashion-mnist/`, or the data folder itself where it holds them; else from Debian's package `dataset-fashion-mnist`.
    """

    name: ClassVar[str] = "fashion_mnist"
    licence: ClassVar[str] = "MIT, https://github.com/zalandoresearch/fashion-mnist"
    folders: ClassVar[tuple[str, ...]] = ("fashion_mnist", "fashion-mnist")
    elsewhere: ClassVar[tuple[Path, ...]] = (Path("/usr/share/datasets/fashion-mnist"),)
    torchvision_name: ClassVar[str] = "FashionMNIST"
    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
