"""Fashion-MNIST (Xiao et al. 2017) as arrays, for the peers: read by hand, without any of the program's own code."""

import gzip
import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.fashion.configurations import SPLIT_SEED

FILES: Final = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_DEBIAN: Final = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class FashionArrays:
    """Images uint8 (examples, 28, 28) and labels int64 (examples,); the split as indices into the pool of 60,000."""

    pool: NDArray[np.uint8]
    pool_labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    train: NDArray[np.int64]
    """54,000 of the pool."""
    val: NDArray[np.int64]
    """6,000 of the pool."""
    clean: NDArray[np.int64]
    """10,000 of `train`, for the clean pass."""


def load() -> FashionArrays:
    """Read the four files and split them. Raises SystemExit where they are not found."""
    pool, pool_labels, test, test_labels = (_read(_find(name)) for name in FILES)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(pool))
    val, train = np.sort(order[: len(pool) // 10]), np.sort(order[len(pool) // 10 :])
    return FashionArrays(
        pool, pool_labels.astype(np.int64), test, test_labels.astype(np.int64), train, val, order[-10_000:]
    )


def unpack(folder: Path) -> Path:
    """The files as torchvision's FashionMNIST wants them, under `folder`. Returns `folder`."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        with _open(_find(name)) as packed, (raw / name).open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    return folder


def _find(name: str) -> Path:
    data = os.environ.get("ORCH_DATA")
    folders = [Path(data) / sub for sub in ("fashion_mnist", "FashionMNIST/raw", "")] if data else []
    folders.append(_DEBIAN)
    candidates = [folder / file for folder in folders for file in (name, f"{name}.gz")]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise SystemExit(f"no {name} in {', '.join(map(str, folders))}; set ORCH_DATA to the folder of fashion_mnist/")
    return found


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _read(path: Path) -> NDArray[np.uint8]:
    """An IDX file of bytes (LeCun's format: a magic number that ends in the number of axes, then their lengths)."""
    with _open(path) as file:
        axes = struct.unpack(">i", file.read(4))[0] & 0xFF
        shape = struct.unpack(f">{axes}i", file.read(4 * axes))
        return np.frombuffer(file.read(), dtype=np.uint8).reshape(shape).copy()
