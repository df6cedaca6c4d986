"""CIFAR-10, from its binary batches and its pickles."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from trainables.dataset import DataLocation
from trainables.datasets import cifar10
from trainables.datasets.cifar10 import Cifar10
from trainables.errors import DataError, DataMissing

BATCHES = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]


def drawn() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Three images and labels a batch."""
    random = np.random.default_rng(0)
    return {name: (random.integers(0, 256, (3, 3072), np.uint8), random.integers(0, 10, 3)) for name in BATCHES}


def publish_binary(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, (pixels, labels) in drawn().items():
        (folder / f"{name}.bin").write_bytes(np.hstack([labels[:, None].astype(np.uint8), pixels]).tobytes())


def publish_pickled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real files are not at hand, so the checksums of these stand in for the published ones."""
    folder.mkdir(parents=True)
    for name, (pixels, labels) in drawn().items():
        content = pickle.dumps(
            {b"batch_label": b"x", b"labels": labels.tolist(), b"data": pixels, b"filenames": [b"y"]}
        )
        (folder / name).write_bytes(content)
        monkeypatch.setitem(cifar10._PICKLED, name, hashlib.md5(content).hexdigest())


@pytest.mark.parametrize("within", ["cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", "."])
def test_binary_batches(place: DataLocation, within: str) -> None:
    assert place.data is not None
    place.data.rmdir()
    folder = place.data / within
    publish_binary(folder)
    place.data.mkdir(exist_ok=True)
    examples, batches = Cifar10().load(place), drawn()
    np.testing.assert_array_equal(examples.inputs[3:6].reshape(3, -1), batches["data_batch_2"][0])
    np.testing.assert_array_equal(examples.targets[-3:], batches["test_batch"][1])
    np.testing.assert_array_equal(examples.official_test, [False] * 15 + [True] * 3)
    assert Cifar10().info(place).shape == examples.inputs.shape[1:] == (3, 32, 32)


def test_pickles_hold_the_same_as_binary_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [DataLocation(tmp_path / kind, None, tmp_path / "cache") for kind in ("py", "bin")]
    publish_pickled(tmp_path / "py" / "cifar-10-batches-py", monkeypatch)
    publish_binary(tmp_path / "bin" / "cifar-10-batches-bin")
    pickled, binary = (Cifar10().load(place) for place in places)
    np.testing.assert_array_equal(pickled.inputs, binary.inputs)
    np.testing.assert_array_equal(pickled.targets, binary.targets)
    assert Cifar10().fingerprint(places[0]) == Cifar10().fingerprint(places[1])


def test_a_pickle_that_is_not_the_published_one_is_not_read(
    place: DataLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place.data is not None
    publish_pickled(place.data / "cifar-10-batches-py", monkeypatch)
    (place.data / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps({}))
    with pytest.raises(DataError, match="data_batch_3: its MD5 is not the published one"):
        Cifar10().load(place)


def test_a_pickle_runs_no_code_whatever_its_checksum(place: DataLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place.data is not None
    publish_pickled(place.data / "cifar-10-batches-py", monkeypatch)
    trap = b"cos\nsystem\n(S'touch " + str(place.data / "trapped").encode() + b"'\ntR."
    (place.data / "cifar-10-batches-py" / "test_batch").write_bytes(trap)
    monkeypatch.setitem(cifar10._PICKLED, "test_batch", hashlib.md5(trap).hexdigest())
    with pytest.raises(DataError, match=r"test_batch: it refers to os\.system"):
        Cifar10().load(place)
    assert not (place.data / "trapped").exists()


def test_a_binary_batch_cut_short_is_named(place: DataLocation) -> None:
    assert place.data is not None
    publish_binary(place.data / "cifar-10-batches-bin")
    batch = place.data / "cifar-10-batches-bin" / "data_batch_1.bin"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"data_batch_1\.bin: 9218 bytes are not a whole number of rows"):
        Cifar10().fingerprint(place)


def test_what_is_missing_is_reported_with_all_places(place: DataLocation) -> None:
    with pytest.raises(DataMissing) as missing:
        Cifar10().info(place)
    assert f"looked in {place.data}/cifar-10-batches-py, {place.data}/cifar-10-batches-bin" in str(missing.value)
    assert f"unpack cifar-10-python.tar.gz or cifar-10-binary.tar.gz into {place.data}" in str(missing.value)
