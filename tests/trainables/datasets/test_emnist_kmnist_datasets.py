"""EMNIST's six sets, put right; KMNIST, whose files are named as MNIST's."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torchvision
from pydantic import ValidationError

from trainables.dataset import DataLocation
from trainables.datasets.emnist import Emnist
from trainables.datasets.kmnist import Kmnist
from trainables.datasets.mnist import Mnist
from trainables.errors import DataError, DataMissing

SPLITS = {"balanced": 47, "letters": 26, "digits": 10, "byclass": 62, "bymerge": 47, "mnist": 10}


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def publish(folder: Path, split: str, labels: list[int], images: np.ndarray, packed: bool = True) -> None:
    """The four files of one set: these labels for training, the first of them for the test."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", len(labels)), ("test", 1)):
        files = {"images-idx3-ubyte": images[:count], "labels-idx1-ubyte": np.array(labels[:count])}
        for kind, values in files.items():
            name = f"emnist-{split}-{part}-{kind}"
            (folder / (f"{name}.gz" if packed else name)).write_bytes(
                gzip.compress(idx(values)) if packed else idx(values)
            )


@pytest.mark.parametrize("split", SPLITS)
def test_classes_are_those_that_torchvision_names(split: str) -> None:
    named = [name for name in torchvision.datasets.EMNIST.classes_split_dict[split] if name != "N/A"]
    assert list(Emnist.from_parameters({"split": split}).class_names()) == named
    assert len(named) == SPLITS[split]


@pytest.mark.parametrize("folder", ["EMNIST/raw", "emnist", "emnist/gzip", "gzip", "."])
@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzip"])
def test_images_are_upright_as_torchvisions_are_when_transposed(place: DataLocation, folder: str, packed: bool) -> None:
    assert place.data is not None
    upright = np.random.default_rng(0).integers(0, 256, (3, 7, 5), np.uint8)
    publish(place.data / folder, "balanced", [46, 0, 10], np.stack([image.T for image in upright]), packed)
    dataset = Emnist()
    examples, info = dataset.load(place), dataset.info(place)
    np.testing.assert_array_equal(examples.inputs[:, 0], np.concatenate([upright, upright[:1]]))
    assert info.shape == (1, 7, 5)
    assert [info.classes[label] for label in examples.targets] == ["t", "0", "A", "t"]
    np.testing.assert_array_equal(examples.official_test, [False] * 3 + [True])


def test_letters_count_from_a(place: DataLocation) -> None:
    assert place.data is not None
    publish(place.data / "emnist", "letters", [1, 26, 2], np.zeros((3, 4, 4)))
    examples = Emnist(split="letters").load(place)
    np.testing.assert_array_equal(examples.targets, [0, 25, 1, 0])


@pytest.mark.parametrize(("split", "label", "message"), [("letters", 0, "from 0 to 2"), ("digits", 10, "from 1 to 10")])
def test_a_label_that_no_class_has_is_reported_with_its_file(
    place: DataLocation, split: str, label: int, message: str
) -> None:
    assert place.data is not None
    publish(place.data / "emnist", split, [1, label, 2], np.zeros((3, 4, 4)))
    with pytest.raises(DataError, match=f"emnist-{split}-train-labels.* {message}, .* classes of emnist"):
        Emnist.from_parameters({"split": split}).load(place)


def test_each_set_has_its_own_files_and_fingerprint(place: DataLocation) -> None:
    assert place.data is not None
    publish(place.data / "emnist", "letters", [1, 2, 3], np.zeros((3, 4, 4)))
    with pytest.raises(
        DataMissing, match=r"put the files emnist-digits-train-images-idx3-ubyte, .* into the folder emnist"
    ):
        Emnist(split="digits").info(place)
    publish(place.data / "emnist", "digits", [1, 2, 3], np.zeros((3, 4, 4)))
    letters, digits = Emnist(split="letters"), Emnist(split="digits")
    assert letters.digest() != digits.digest()
    assert letters.fingerprint(place) == digits.fingerprint(place)  # the content is the same, the configuration not


def test_a_set_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="split"):
        Emnist.from_parameters({"split": "capitals"})


@pytest.mark.parametrize("folder", ["KMNIST/raw", "kmnist"])
def test_kmnist_is_read_from_its_own_folder(place: DataLocation, folder: str) -> None:
    assert place.data is not None
    random = np.random.default_rng(0)
    images = {part: random.integers(0, 256, (count, 4, 4), np.uint8) for part, count in (("train", 20), ("t10k", 4))}
    for part, values in images.items():
        (place.data / folder).mkdir(parents=True, exist_ok=True)
        (place.data / folder / f"{part}-images-idx3-ubyte").write_bytes(idx(values))
        (place.data / folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(len(values)) % 10))
    examples = Kmnist().load(place)
    np.testing.assert_array_equal(examples.inputs[:20, 0], images["train"])
    np.testing.assert_array_equal(examples.targets[-4:], [0, 1, 2, 3])
    assert Kmnist().info(place).classes == tuple(torchvision.datasets.KMNIST.classes)
    with pytest.raises(DataMissing, match="mnist was not found"):
        Mnist().info(place)


def test_files_that_bear_no_sets_name_are_not_taken_for_kmnist(place: DataLocation) -> None:
    assert place.data is not None
    for part in ("train", "t10k"):
        (place.data / f"{part}-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 4, 4))))
        (place.data / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.array([1, 2])))
    assert len(Mnist().load(place)) == 4
    with pytest.raises(DataMissing, match=r"kmnist was not found; .*into the folder kmnist in"):
        Kmnist().info(place)
