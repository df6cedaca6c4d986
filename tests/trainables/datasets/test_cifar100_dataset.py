"""CIFAR-100 with its fine or coarse labels, from its binary batches and its pickles."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torchvision

from trainables.dataset import DataLocation
from trainables.datasets import cifar100
from trainables.datasets.cifar100 import Cifar100
from trainables.errors import DataError, DataMissing

FINE = {"train": [19, 99, 0, 42], "test": [7, 3]}
COARSE = {"train": [11, 13, 4, 8], "test": [7, 8]}


def pixels(part: str) -> np.ndarray:
    return np.random.default_rng(len(part)).integers(0, 256, (len(FINE[part]), 3072), np.uint8)


def publish_binary(folder: Path) -> None:
    folder.mkdir(parents=True)
    for part in FINE:
        labels = np.array([COARSE[part], FINE[part]], np.uint8).T
        (folder / f"{part}.bin").write_bytes(np.hstack([labels, pixels(part)]).tobytes())


def publish_pickled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real files are not at hand, so the checksums of these stand in for the published ones."""
    folder.mkdir(parents=True)
    for part in FINE:
        batch = {b"fine_labels": FINE[part], b"coarse_labels": COARSE[part], b"data": pixels(part), b"filenames": []}
        content = pickle.dumps(batch)
        (folder / part).write_bytes(content)
        monkeypatch.setitem(cifar100._PICKLED, part, hashlib.md5(content).hexdigest())


@pytest.mark.parametrize("within", ["cifar-100-binary", "cifar100/cifar-100-binary"])
def test_binary_batches(place: DataLocation, within: str) -> None:
    assert place.data is not None
    publish_binary(place.data / within)
    fine, coarse = Cifar100(), Cifar100(labels="coarse")
    examples = fine.load(place)
    np.testing.assert_array_equal(examples.inputs[:4], pixels("train").reshape(4, 3, 32, 32))
    np.testing.assert_array_equal(examples.targets, FINE["train"] + FINE["test"])
    np.testing.assert_array_equal(examples.official_test, [False] * 4 + [True] * 2)
    np.testing.assert_array_equal(coarse.load(place).targets, COARSE["train"] + COARSE["test"])
    assert (len(fine.info(place).classes), len(coarse.info(place).classes)) == (100, 20)
    assert fine.fingerprint(place) != coarse.fingerprint(place)


@pytest.mark.parametrize("labels", ["fine", "coarse"])
def test_pickles_hold_the_same_as_binary_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: str) -> None:
    places = [DataLocation(tmp_path / kind, None, tmp_path / "cache") for kind in ("py", "bin")]
    publish_pickled(tmp_path / "py" / "cifar-100-python", monkeypatch)
    publish_binary(tmp_path / "bin" / "cifar-100-binary")
    dataset = Cifar100.from_parameters({"labels": labels})
    pickled, binary = (dataset.load(place) for place in places)
    np.testing.assert_array_equal(pickled.inputs, binary.inputs)
    np.testing.assert_array_equal(pickled.targets, binary.targets)
    assert dataset.fingerprint(places[0]) == dataset.fingerprint(places[1])


def test_the_published_names_and_checksums() -> None:
    fine, coarse = Cifar100().class_names(), Cifar100(labels="coarse").class_names()
    # both are in the order of the alphabet, as in the published `meta`
    assert list(fine) == sorted(set(fine)) and len(fine) == 100
    assert list(coarse) == sorted(set(coarse)) and len(coarse) == 20
    # labels of well-known images: the first training image is a bull among the large omnivores and herbivores
    assert (fine[19], coarse[11]) == ("cattle", "large_omnivores_and_herbivores")
    published = torchvision.datasets.CIFAR100
    assert dict(published.train_list + published.test_list) == cifar100._PICKLED
    assert Cifar100.folders[0] == published.base_folder and Cifar100.archives[0] == published.filename


def test_a_pickle_that_is_not_the_published_one_is_not_read(
    place: DataLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place.data is not None
    publish_pickled(place.data / "cifar-100-python", monkeypatch)
    trap = b"cos\nsystem\n(S'touch " + str(place.data / "trapped").encode() + b"'\ntR."
    (place.data / "cifar-100-python" / "test").write_bytes(trap)
    with pytest.raises(DataError, match="test: its MD5 is not the published one"):
        Cifar100().load(place)
    monkeypatch.setitem(cifar100._PICKLED, "test", hashlib.md5(trap).hexdigest())
    with pytest.raises(DataError, match=r"test: it refers to os\.system"):
        Cifar100().load(place)
    assert not (place.data / "trapped").exists()


def test_what_is_missing_is_reported_with_the_archives(place: DataLocation) -> None:
    with pytest.raises(DataMissing, match=r"cifar100 was not found; .*cifar-100-python\.tar\.gz or cifar-100-binary"):
        Cifar100().info(place)
