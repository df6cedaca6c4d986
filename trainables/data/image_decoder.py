"""Images of a class-folder tree, decoded one by one when they are asked for."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.content import LARGE, file_hash, file_hashes, stamp, stamps, total_size
from trainables.data.files import printable
from trainables.data.images import Box, Choice, EncodedImage, Shape, decode
from trainables.dataset import DataLocation, Decoder
from trainables.errors import BrokenImage

# Which part of an image is looked at: a random one to train on, the middle one to measure on.

_RATIOS: Final = (3 / 4, 4 / 3)
_TRIES: Final = 10
"""After which the middle is taken, as torchvision does."""


def middle(ratio: float, share: float = 1.0) -> Choice:
    """The middle of the largest part with this ratio of width to height, `share` of it in both directions."""

    def choose(height: int, width: int) -> Box:
        wide = min(width, height * ratio) * share
        high = wide / ratio
        left, top = max(0.0, (width - wide) / 2), max(0.0, (height - high) / 2)
        return left, top, min(width, left + wide), min(height, top + high)

    return choose


def at_random(key: int, example: int, ratio: float, least_area: float) -> Choice:
    """A random part: the same for one key and example, whatever was decoded before it and by whom.

    key: of an epoch, 0 to 2**63 - 1. ratio: of width to height of what comes out; the part's own is drawn around it.
    least_area: the smallest share of the image's area.
    """

    def choose(height: int, width: int) -> Box:
        random = np.random.Generator(np.random.Philox(key=np.array([key, example], np.uint64)))
        for _ in range(_TRIES):
            area = height * width * random.uniform(least_area, 1)
            drawn = ratio * math.exp(random.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1])))
            wide, high = round(math.sqrt(area * drawn)), round(math.sqrt(area / drawn))
            if 0 < wide <= width and 0 < high <= height:
                left, top = (int(random.integers(0, room, endpoint=True)) for room in (width - wide, height - high))
                return left, top, left + wide, top + high
        nearest = min(max(width / height, ratio * _RATIOS[0]), ratio * _RATIOS[1])
        return middle(nearest)(height, width)

    return choose


class ImageDecoder(Decoder):
    """A random part of an image to train on, its middle to measure on. Some 80 bytes of memory an image.

    An image whose content is no more what it was when the decoder was made is an error.
    """

    def __init__(
        self, files: Sequence[str], root: Path, location: DataLocation, shape: Shape, least_area: float, share: float
    ) -> None:
        """files: all below `root`. least_area: share of an image that a random part has at least; 1 for none at random.

        share: of the short side, for the middle. Raises OSError.
        """
        self._root, self._location, self._shape = str(root), location, shape
        self._least_area, self._share = least_area, share
        skipped = len(os.fsencode(root)) + 1
        # one array of bytes: a million texts would take ten times the memory
        self._names = np.array([os.fsencode(path)[skipped:] for path in files])
        self._stamps = stamps(files)
        self._hashes: NDArray[np.uint64] | None = None

    def content_hashes(self) -> NDArray[np.uint64]:
        self._hashes = file_hashes(self._location, map(self._path, range(len(self._names))))
        return self._hashes

    def decode(self, example: int, key: int | None) -> NDArray[np.uint8]:
        path = self._path(example)
        ratio = self._shape[2] / self._shape[1]
        if key is None or self._least_area == 1:
            choose = middle(ratio, self._share)
        else:
            choose = at_random(key, example, ratio, self._least_area)
        pixels = decode(EncodedImage(printable(path), path), self._shape, choose)
        self._refuse_changed(example, path)
        return pixels

    def _refuse_changed(self, example: int, path: str) -> None:
        try:
            now = stamp(path)
        except OSError as refused:
            raise BrokenImage(printable(path), refused.strerror or repr(refused)) from refused
        if np.array_equal(self._stamps[example], np.array(now, np.uint64)):
            return
        # a backup that makes links changes times alone
        pieces = total_size(self._stamps) > LARGE
        if (
            self._hashes is None
            or int.from_bytes(bytes.fromhex(file_hash(path, pieces)), "little") != self._hashes[example]
        ):
            raise BrokenImage(printable(path), "it has changed since the data was looked at")
        self._stamps[example] = now

    def _path(self, example: int) -> str:
        return f"{self._root}/{os.fsdecode(self._names[example])}"
