"""Small colour photographs of 100 kinds (Krizhevsky 2009, "Learning Multiple Layers of Features ...", ch. 3)."""

from typing import ClassVar, Final, Literal

from trainables.datasets._cifar import CifarDataset

_PICKLED: Final = {
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
}
"""MD5 of each published file."""
_FINE: Final = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle "
    "caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant "
    "flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man "
    "maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree "
    "plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper "
    "snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train "
    "trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)
_COARSE: Final = (
    "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices "
    "household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes "
    "large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees "
    "vehicles_1 vehicles_2"
)


class Cifar100(CifarDataset):
    """50,000 training and 10,000 test images, 32 x 32, RGB, of 100 classes in 20 groups.

    Read from the data folder: `cifar-100-python/` (torchvision's) or `cifar-100-binary/`, there, in `cifar100/` or the
    data folder itself. Only the published files are read; other copies are for `image_parquet`, `image_folder`.
    """

    name: ClassVar[str] = "cifar100"
    licence: ClassVar[str] = "none stated, https://www.cs.toronto.edu/~kriz/cifar.html"
    pickled: ClassVar[dict[str, str]] = _PICKLED
    folders: ClassVar[tuple[str, str]] = ("cifar-100-python", "cifar-100-binary")
    archives: ClassVar[tuple[str, str]] = ("cifar-100-python.tar.gz", "cifar-100-binary.tar.gz")
    torchvision_name: ClassVar[str] = "CIFAR100"

    labels: Literal["fine", "coarse"] = "fine"
    """`fine`: the 100 classes; `coarse`: the 20 groups of five classes each."""

    def class_names(self) -> tuple[str, ...]:
        return tuple((_FINE if self.labels == "fine" else _COARSE).split())

    def labels_of_pickles(self) -> str:
        return f"{self.labels}_labels"

    def labels_of_rows(self) -> tuple[int, int]:
        return 2, 1 if self.labels == "fine" else 0
