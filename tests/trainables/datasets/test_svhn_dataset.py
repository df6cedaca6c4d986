"""SVHN from MATLAB files as its publishers write them."""

import hashlib
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torchvision
from scipy.io import savemat

from trainables.dataset import DataLocation
from trainables.datasets.svhn import Svhn
from trainables.errors import DataError, DataMissing

LABELS = {"train": [1, 9, 10, 2, 3], "test": [5, 10], "extra": [7, 7, 8]}


def drawn(part: str) -> np.ndarray:
    """As published: height, width, channels, images."""
    return np.random.default_rng(len(part)).integers(0, 256, (32, 32, 3, len(LABELS[part])), np.uint8)


def publish(folder: Path, *parts: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        labels = np.array(LABELS[part], np.uint8)[:, None]
        savemat(folder / f"{part}_32x32.mat", {"X": drawn(part), "y": labels}, do_compression=True)
    return folder


@pytest.mark.parametrize("folder", [".", "svhn", "SVHN"])
def test_it_reads_what_torchvision_reads(place: DataLocation, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place.data is not None
    at = publish(place.data / folder, "train", "test")
    examples = Svhn().load(place)
    monkeypatch.setattr(torchvision.datasets.SVHN, "_check_integrity", lambda self: True)
    theirs = [torchvision.datasets.SVHN(at, split=part) for part in ("train", "test")]
    np.testing.assert_array_equal(examples.inputs, np.concatenate([part.data for part in theirs]))
    np.testing.assert_array_equal(examples.targets, np.concatenate([part.labels for part in theirs]))
    np.testing.assert_array_equal(examples.official_test, [False] * 5 + [True] * 2)
    assert examples.targets[2] == 0  # written as 10
    assert Svhn().info(place).shape == examples.inputs.shape[1:]


def test_the_extra_images_join_training_where_they_are_asked_for(place: DataLocation) -> None:
    assert place.data is not None
    publish(place.data, "train", "test")
    with pytest.raises(DataMissing, match=r"train_32x32\.mat and extra_32x32\.mat and test_32x32\.mat into"):
        Svhn(extra=True).info(place)
    publish(place.data, "extra")
    examples = Svhn(extra=True).load(place)
    np.testing.assert_array_equal(examples.targets, [1, 9, 0, 2, 3, 7, 7, 8, 5, 0])
    np.testing.assert_array_equal(examples.official_test, [False] * 8 + [True] * 2)
    assert len(Svhn().load(place)) == 7
    assert Svhn().fingerprint(place) != Svhn(extra=True).fingerprint(place)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, "it has no 'y'"),
        ({"X": np.zeros((32, 32, 3, 2)), "y": np.ones((2, 1))}, "X is float64"),
        ({"X": np.zeros((28, 28, 3, 2), np.uint8), "y": np.ones((2, 1))}, r"X is uint8 \(28, 28, 3, 2\)"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.ones((3, 1))}, "a label for each of 2 images"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [11]])}, "labels go from 1 to 11"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [2.5]])}, "labels are not all whole numbers"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [np.nan]])}, "labels are not all whole numbers"),
        ({"X": np.array(["a", "b"], object), "y": np.ones((2, 1))}, "X is object"),
    ],
)
def test_a_file_that_is_no_such_set_is_reported(
    place: DataLocation, content: dict[str, np.ndarray], message: str
) -> None:
    assert place.data is not None
    savemat(publish(place.data, "train") / "test_32x32.mat", content)
    with pytest.raises(DataError, match=rf"test_32x32\.mat: .*{message}.*; delete it and get it again"):
        Svhn().load(place)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_a_file_that_is_no_matlab_file_is_reported(place: DataLocation, content: bytes) -> None:
    assert place.data is not None
    (publish(place.data, "train", "test") / "train_32x32.mat").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read the SVHN file .*train_32x32\.mat"):
        Svhn().load(place)


def test_a_file_cut_short_is_reported(place: DataLocation) -> None:
    assert place.data is not None
    file = publish(place.data, "train", "test") / "train_32x32.mat"
    file.write_bytes(file.read_bytes()[:-4000])
    with pytest.raises(DataError, match=r"train_32x32\.mat"):
        Svhn().fingerprint(place)


def test_what_is_downloaded_is_found(
    place: DataLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    published = publish(tmp_path / "published", "train", "test")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=published)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        listed = {
            part: [
                f"http://127.0.0.1:{server.server_port}/{part}_32x32.mat",
                f"{part}_32x32.mat",
                hashlib.md5((published / f"{part}_32x32.mat").read_bytes()).hexdigest(),
            ]
            for part in ("train", "test")
        }
        monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", listed)
        monkeypatch.setattr(urllib.request, "_opener", None)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        Svhn().fetch(place)
        server.shutdown()
    assert len(Svhn().load(place)) == 7
    assert place.data is not None
    assert sorted(file.name for file in (place.data / "svhn").iterdir()) == ["test_32x32.mat", "train_32x32.mat"]
    assert capfd.readouterr().out == ""
