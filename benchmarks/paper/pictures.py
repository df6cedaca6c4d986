"""Pictures made from the embedded digits: where a digit stands, and how many different ones there are.

    python -m benchmarks.paper.pictures [FOLDER]

Four data sets of 16 x 16 pixels, each a folder with `train.parquet` and `test.parquet` as `image_parquet` reads them; the
same on every machine.
"""

import argparse
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from trainables.dataset import DataLocation
from trainables.datasets.digits import Digits

FOLDER: Final = Path(__file__).parents[2] / "examples" / "paper" / "pictures"
SIDE: Final = 16
SEED: Final = 20261130
_TEST: Final = 450
_TRAINING: Final = 600
"""Pictures to train and validate on of `diverse` and of `narrow`, in all."""
_COPIES: Final = 10
"""Of each digit of `narrow`, each at another place."""
_SHIFT: Final = 3
"""Pixels by which a digit may stand away from the middle, both ways."""

Pictures = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""(pictures, SIDE, SIDE) and their classes."""


def made() -> Mapping[str, tuple[Pictures, Pictures]]:
    """Return, by name, what is trained on and what is tested on.

    `centred`: digits in the middle. `shifted`: the same training pictures; those of the test stand up to three pixels
    away. `diverse`: 600 digits, each once, at a place of its own. `narrow`: 60 of them, each at ten places, and the
    same test.
    """
    digits = Digits().load(DataLocation(data=None, beside=None, cache=FOLDER))  # none of these is looked at
    images, labels = digits.inputs[:, 0], digits.targets
    random = np.random.RandomState(SEED)  # its streams never change (NEP 19)
    order = random.permutation(len(images))
    test, training = order[:_TEST], order[_TEST:]
    away = _moves(random, len(test), least=1)
    centred = (_placed(images[training], np.zeros((len(training), 2), int)), labels[training])
    elsewhere = (_placed(images[test], away), labels[test])
    few = np.concatenate([training[labels[training] == digit][: _TRAINING // _COPIES // 10] for digit in range(10)])
    many = np.concatenate([training[labels[training] == digit][: _TRAINING // 10] for digit in range(10)])
    repeated = np.repeat(few, _COPIES)
    return {
        "centred": (centred, (_placed(images[test], np.zeros((len(test), 2), int)), labels[test])),
        "shifted": (centred, elsewhere),
        "diverse": ((_placed(images[many], _moves(random, len(many))), labels[many]), elsewhere),
        "narrow": ((_placed(images[repeated], _places(random, len(few))), labels[repeated]), elsewhere),
    }


def _moves(random: np.random.RandomState, count: int, least: int = 0) -> NDArray[np.int64]:
    """(count, 2): pixels down and to the right, at least one of them `least` pixels or more."""
    every = np.array([(y, x) for y in range(-_SHIFT, _SHIFT + 1) for x in range(-_SHIFT, _SHIFT + 1)])
    every = every[np.abs(every).max(axis=1) >= least]
    moves: NDArray[np.int64] = every[random.randint(len(every), size=count)]
    return moves


def _places(random: np.random.RandomState, count: int) -> NDArray[np.int64]:
    """(count * _COPIES, 2): so many different moves for each."""
    every = np.array([(y, x) for y in range(-_SHIFT, _SHIFT + 1) for x in range(-_SHIFT, _SHIFT + 1)])
    return np.concatenate([every[random.permutation(len(every))[:_COPIES]] for _ in range(count)])


def _placed(images: NDArray[np.uint8], moves: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Each digit on black, so far from the middle."""
    canvas = np.zeros((len(images), SIDE, SIDE), np.uint8)
    begin = (SIDE - images.shape[1]) // 2
    for picture, image, (down, right) in zip(canvas, images, moves, strict=True):
        picture[begin + down : begin + down + 8, begin + right : begin + right + 8] = image
    return canvas


def write(folder: Path = FOLDER) -> None:
    """Write what is not there yet."""
    for name, splits in made().items():
        for split, (images, labels) in zip(("train", "test"), splits, strict=True):
            path = folder / name / f"{split}.parquet"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(pa.table({"image": [_png(image) for image in images], "label": labels}), path)


def _png(image: NDArray[np.uint8]) -> bytes:
    kept = io.BytesIO()
    Image.fromarray(image).save(kept, format="png")
    return kept.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
