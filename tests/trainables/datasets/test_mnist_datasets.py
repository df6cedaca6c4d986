"""MNIST and Fashion-MNIST, wherever and however the four files lie."""

import gzip
import hashlib
import os
import struct
import time
import tracemalloc
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torchvision

from trainables.dataset import DataLocation
from trainables.datasets.fashion_mnist import FashionMnist
from trainables.datasets.mnist import Mnist
from trainables.errors import DataError, DataMissing

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
MNIST_STARTS = [5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5, 3, 6, 1, 7]
FASHION_STARTS = [9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5, 7, 9]


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def publish(folder: Path, packed: bool = False, labels: list[int] | None = None) -> Path:
    """Twenty training and four test images of 5 x 7."""
    folder.mkdir(parents=True, exist_ok=True)
    train = np.array((labels or MNIST_STARTS) + [8, 8, 2, 6])
    random = np.random.default_rng(0)
    for name, values in {
        "train-images-idx3-ubyte": random.integers(0, 256, (20, 5, 7)),
        "train-labels-idx1-ubyte": train,
        "t10k-images-idx3-ubyte": random.integers(0, 256, (4, 5, 7)),
        "t10k-labels-idx1-ubyte": np.array([1, 0, 9, 9]),
    }.items():
        content = idx(values)
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    return folder


@pytest.mark.parametrize("folder", ["MNIST/raw", "mnist", "."])
@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzip"])
def test_every_layout_gives_the_same_examples_and_fingerprint(place: DataLocation, folder: str, packed: bool) -> None:
    assert place.data is not None
    publish(place.data / folder, packed)
    examples = Mnist().load(place)
    random = np.random.default_rng(0)
    np.testing.assert_array_equal(examples.inputs[:20, 0], random.integers(0, 256, (20, 5, 7)))
    np.testing.assert_array_equal(examples.targets, [*MNIST_STARTS, 8, 8, 2, 6, 1, 0, 9, 9])
    np.testing.assert_array_equal(examples.official_test, [False] * 20 + [True] * 4)
    assert Mnist().info(place).shape == (1, 5, 7)
    assert Mnist().fingerprint(place) == "5d5b2cd75efc9e23128685f689ba4e7b"


def test_other_content_has_another_fingerprint_though_it_was_remembered(place: DataLocation) -> None:
    assert place.data is not None
    labels = publish(place.data / "mnist") / "t10k-labels-idx1-ubyte"
    before = Mnist().fingerprint(place)
    assert Mnist().fingerprint(place) == before
    labels.write_bytes(idx(np.array([1, 0, 9, 8])))
    os.utime(labels, ns=(0, labels.stat().st_mtime_ns + 1))
    assert Mnist().fingerprint(place) != before


def test_a_damaged_memory_of_a_fingerprint_is_not_believed(place: DataLocation) -> None:
    assert place.data is not None
    publish(place.data / "mnist")
    time.sleep(0.05)  # what has been written just now is not remembered
    before = Mnist().fingerprint(place)
    (entry,) = (file for file in (place.cache / "content").iterdir())
    entry.write_bytes(entry.read_bytes()[:-1] + b"?")
    assert Mnist().fingerprint(place) == before


def test_files_of_the_other_set_are_not_taken_for_this_one(place: DataLocation) -> None:
    assert place.data is not None
    publish(place.data / "mnist", labels=FASHION_STARTS)
    with pytest.raises(DataMissing, match=r"data/mnist \(which holds fashion_mnist\)"):
        Mnist().load(place)


def test_an_incomplete_folder_is_named_with_what_it_lacks(place: DataLocation) -> None:
    assert place.data is not None
    (publish(place.data / "mnist") / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataMissing, match=r"data/mnist \(which lacks t10k-labels-idx1-ubyte\).* put the files"):
        Mnist().info(place)


def test_without_a_data_folder_the_way_to_give_one_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"into the folder mnist in the data folder \(`--data` or ORCH_DATA\)\."):
        Mnist().fingerprint(DataLocation(data=None, beside=None, cache=tmp_path))


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzip"])
def test_a_file_cut_short_is_named(place: DataLocation, packed: bool) -> None:
    assert place.data is not None
    folder = publish(place.data / "mnist", packed)
    images = folder / ("train-images-idx3-ubyte" + (".gz" if packed else ""))
    images.write_bytes(images.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.*delete it and get it again"):
        Mnist().load(place)
    with pytest.raises(DataError, match="train-images-idx3-ubyte"):
        Mnist().fingerprint(place)


def test_a_packed_file_cannot_fill_the_memory_with_more_than_its_header_tells(place: DataLocation) -> None:
    assert place.data is not None
    labels = publish(place.data / "mnist", packed=True) / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(gzip.decompress(labels.read_bytes()) + bytes(64 << 20), 1))
    tracemalloc.start()
    with pytest.raises(DataError, match="its header declares 20 values, it holds more; delete it"):
        Mnist().load(place)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 << 20


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train-images-idx3-ubyte", b""),
        ("train-images-idx3-ubyte", b"<html>404</html>"),
        ("train-images-idx3-ubyte", idx(np.zeros((19, 5, 7)))),
        ("train-images-idx3-ubyte", idx(np.zeros((20, 35)))),
        ("train-images-idx3-ubyte", idx(np.zeros((20, 0, 7)))),
        ("t10k-images-idx3-ubyte", idx(np.zeros((4, 7, 5)))),
        ("t10k-labels-idx1-ubyte", idx(np.zeros(3))),
        ("train-labels-idx1-ubyte", idx(np.zeros((20, 1)))),
        ("t10k-labels-idx1-ubyte", idx(np.array([1, 0, 9, 10]))),
    ],
    ids=[
        "empty",
        "a page",
        "too few",
        "flat images",
        "no pixels",
        "another size",
        "labels lack",
        "labels in a column",
        "label 10",
    ],
)
def test_files_that_do_not_fit_are_named(place: DataLocation, name: str, content: bytes) -> None:
    assert place.data is not None
    (publish(place.data / "mnist") / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        Mnist().load(place)
    if content != idx(np.array([1, 0, 9, 10])):  # which the headers do not tell
        with pytest.raises(DataError, match=name):
            Mnist().info(place)


def test_a_download_without_a_network_says_what_failed_and_what_to_do(
    place: DataLocation, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # a proxy that nobody listens at stands for the missing network, so that the test is the same where there is one
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(urllib.request, "_opener", None)
    with pytest.raises(DataMissing) as missing:
        Mnist().fetch(place)
    assert f"mnist was not found; looked in {place.data}/MNIST/raw" in str(missing.value)
    assert "The download failed: Error downloading train-images-idx3-ubyte.gz" in str(missing.value)
    assert f"into the folder mnist in {place.data}" in str(missing.value)
    assert capfd.readouterr().out == ""
    assert place.data is not None
    assert list(place.data.iterdir()) == []


def test_what_is_downloaded_is_found_where_torchvision_puts_it(
    place: DataLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    published = publish(tmp_path / "published", packed=True)
    sums = [(file.name, hashlib.md5(file.read_bytes()).hexdigest()) for file in sorted(published.iterdir())]
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=published)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(torchvision.datasets.MNIST, "resources", sums)
        monkeypatch.setattr(urllib.request, "_opener", None)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        Mnist().fetch(place)
        server.shutdown()
    assert len(Mnist().load(place)) == 24
    assert place.data is not None
    assert [folder.name for folder in place.data.iterdir()] == ["MNIST"]
    assert capfd.readouterr().out == ""


def test_what_is_there_is_not_downloaded(place: DataLocation, capfd: pytest.CaptureFixture[str]) -> None:
    assert place.data is not None
    publish(place.data / "mnist")
    Mnist().fetch(place)
    assert capfd.readouterr() == ("", "")
    assert [folder.name for folder in place.data.iterdir()] == ["mnist"]


@pytest.mark.skipif("ORCH_DATA" not in os.environ, reason="ORCH_DATA is not set")
def test_the_real_mnist(tmp_path: Path) -> None:
    examples = Mnist().load(DataLocation(Path(os.environ["ORCH_DATA"]), None, tmp_path))
    assert examples.inputs.shape == (70_000, 1, 28, 28)
    assert examples.inputs[:60_000].mean() / 255 == pytest.approx(0.1307, abs=1e-4)  # the mean that everybody quotes
    assert examples.inputs[:60_000].std() / 255 == pytest.approx(0.3081, abs=1e-4)
    assert np.bincount(examples.targets[examples.official_test])[1] == 1135


@pytest.mark.skipif(not DEBIAN.exists(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist_is_found_where_debian_puts_it(tmp_path: Path) -> None:
    place = DataLocation(data=None, beside=None, cache=tmp_path)
    examples = FashionMnist().load(place)
    assert FashionMnist().info(place).classes[examples.targets[0]] == "Ankle boot"
    assert examples.inputs[:60_000].mean() / 255 == pytest.approx(0.2860, abs=1e-4)
    np.testing.assert_array_equal(np.bincount(examples.targets), [7000] * 10)


@pytest.mark.skipif(not DEBIAN.exists(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_real_fashion_mnist_is_not_taken_for_mnist(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"fashion-mnist \(which holds fashion_mnist\)"):
        Mnist().info(DataLocation(data=DEBIAN, beside=None, cache=tmp_path))
