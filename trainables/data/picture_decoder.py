"""Pictures of a class-folder tree, decoded one by one when they are asked for."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.data.content import LARGE
from trainables.data.crops import at_random, middle
from trainables.data.file_hashes import file_hash, file_hashes
from trainables.data.pictures import Picture, Shape, decode
from trainables.data.printable import printable
from trainables.data.stamps import stamp, stamps, total_size
from trainables.dataset import DataPlace
from trainables.errors import BrokenPicture
from trainables.streamed import Decoder


class PictureDecoder(Decoder):
    """A random part of a picture to train on, its middle to measure on. Some 80 bytes of memory a picture.

    A picture whose content is no more what it was when the decoder was made is an error.
    """

    def __init__(
        self, files: Sequence[str], root: Path, place: DataPlace, shape: Shape, least_area: float, share: float
    ) -> None:
        """files: all below `root`. least_area: share of a picture that a random part has at least; 1 for none at random.

        share: of the short side, for the middle. Raises OSError.
        """
        self._root, self._place, self._shape = str(root), place, shape
        self._least_area, self._share = least_area, share
        skipped = len(os.fsencode(root)) + 1
        # one array of bytes: a million texts would take ten times the memory
        self._names = np.array([os.fsencode(path)[skipped:] for path in files])
        self._stamps = stamps(files)
        self._hashes: NDArray[np.uint64] | None = None

    def content_hashes(self) -> NDArray[np.uint64]:
        self._hashes = file_hashes(self._place, map(self._path, range(len(self._names))))
        return self._hashes

    def decode(self, example: int, key: int | None) -> NDArray[np.uint8]:
        path = self._path(example)
        ratio = self._shape[2] / self._shape[1]
        if key is None or self._least_area == 1:
            choose = middle(ratio, self._share)
        else:
            choose = at_random(key, example, ratio, self._least_area)
        pixels = decode(Picture(printable(path), path), self._shape, choose)
        self._refuse_changed(example, path)
        return pixels

    def _refuse_changed(self, example: int, path: str) -> None:
        try:
            now = stamp(path)
        except OSError as refused:
            raise BrokenPicture(printable(path), refused.strerror or repr(refused)) from refused
        if np.array_equal(self._stamps[example], np.array(now, np.uint64)):
            return
        # a backup that makes links changes times alone
        pieces = total_size(self._stamps) > LARGE
        if (
            self._hashes is None
            or int.from_bytes(bytes.fromhex(file_hash(path, pieces)), "little") != self._hashes[example]
        ):
            raise BrokenPicture(printable(path), "it has changed since the data was looked at")
        self._stamps[example] = now

    def _path(self, example: int) -> str:
        return f"{self._root}/{os.fsdecode(self._names[example])}"
