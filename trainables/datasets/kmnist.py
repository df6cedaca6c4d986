"""Cursive Japanese characters (Clanuwat et al. 2018, "Deep Learning for Classical Japanese Literature", sec. 2)."""

from typing import ClassVar

from trainables.datasets._idx import IdxDataset


class Kmnist(IdxDataset):
    """Kuzushiji-MNIST: 60,000 training and 10,000 test images, 28 x 28, grey, of ten hiragana.

    Read from the data folder: torchvision's `KMNIST/raw/`, or the IDX files (gzipped or not) in `kmnist/`. They are
    named as MNIST's, so they are not looked for in the data folder itself.
    """

    name: ClassVar[str] = "kmnist"
    licence: ClassVar[str] = "CC BY-SA 4.0, http://codh.rois.ac.jp/kmnist/"
    folders: ClassVar[tuple[str, ...]] = ("kmnist",)
    in_root: ClassVar[bool] = False
    torchvision_name: ClassVar[str] = "KMNIST"
    classes: ClassVar[tuple[str, ...]] = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
