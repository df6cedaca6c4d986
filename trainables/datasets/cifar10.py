"""Small colour photographs (Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images", ch. 3)."""

from typing import ClassVar, Final

from trainables.datasets._cifar import CifarDataset

_PICKLED: Final = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""MD5 of each published file."""


class Cifar10(CifarDataset):
    """50,000 training and 10,000 test images, 32 x 32, RGB.

    Read from the data folder: `cifar-10-batches-py/` (torchvision's) or `cifar-10-batches-bin/`, there, in `cifar10/`
    or the data folder itself. Only the published files are read; other copies are for `image_parquet`, `image_folder`.
    """

    name: ClassVar[str] = "cifar10"
    licence: ClassVar[str] = "none stated, https://www.cs.toronto.edu/~kriz/cifar.html"
    pickled: ClassVar[dict[str, str]] = _PICKLED
    folders: ClassVar[tuple[str, str]] = ("cifar-10-batches-py", "cifar-10-batches-bin")
    archives: ClassVar[tuple[str, str]] = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")
    torchvision_name: ClassVar[str] = "CIFAR10"
    classes: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )

    def class_names(self) -> tuple[str, ...]:
        return self.classes
