"""Clips of a handwritten digit that moves over a torus; the class is where it moves to.

Moving digits as in Srivastava et al. 2015 ("Unsupervised Learning of Video Representations using LSTMs", sec. 4.1), who
let them bounce. On a torus every place is as likely in every frame, so that a single frame says nothing of the class.
"""

from collections.abc import Sequence
from hashlib import blake2b
from math import atan2, isqrt, pi
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from trainables.component import NonNegative
from trainables.data.memory import check_memory
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples
from trainables.registry import registry

# Movements on a torus that look the same when their order is lost.

DIRECTIONS: Final = ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east")
"""Where a move leads to, to within 22.5 degrees, in steps of 45. Every other one is longer, by the root of two."""
_FEWEST_PLACES: Final = 13


def places_passed(
    directions: NDArray[np.int64], length: int, size: int, random: np.random.RandomState
) -> NDArray[np.int64]:
    """Pixels to the east and to the north that each mover is away from a point of its own, frame by frame.

    directions: (movers,), indices of DIRECTIONS. Gives int64 (movers, length, 2) in 0..size - 1, for a torus of size by
    size pixels. Each mover begins at a random place of the lattice, whose places are as many as `length` where that can
    be, else the next number above that can.
    """
    places = _places(length)
    begin = random.randint(places, size=(len(directions), 1))
    # counted in moves of the mover's own, so that all ways round the lattice are as likely
    moves = begin + np.arange(length)
    lattice = moves[..., None] * np.array(_moves(places))[directions][:, None] % places
    pixels: NDArray[np.int64] = lattice * size // places
    return pixels


def _places(least: int) -> int:
    """The smallest prime that is a sum of two squares, at least 13 and at least this."""
    places = max(least, _FEWEST_PLACES)
    while places % 4 != 1 or any(places % factor == 0 for factor in range(3, isqrt(places) + 1, 2)):
        places += 1
    return places


def _moves(places: int) -> list[tuple[int, int]]:
    """The eight moves in the order of DIRECTIONS: to the east and to the north, in units of the torus of places."""
    a = next(a for a in range(1, places) if isqrt(places - a * a) ** 2 == places - a * a)
    b = isqrt(places - a * a)
    quarter = [(a, b), (a - b, a + b)]  # a neighbour along a side of the lattice's squares, and one across a corner
    moves = [*quarter]
    for _ in range(3):
        quarter = [(-north, east) for east, north in quarter]
        moves += quarter
    return sorted(moves, key=lambda move: round(4 * atan2(move[1], move[0]) / pi) % 8)


_TEST_SHARE: Final = 0.2
"""Of the clips, and of the images where their source has no official test split."""


class MovingDigits(Dataset):
    """Clips of a digit that moves in one of eight directions, the class; made from `digits` or `mnist`.

    Test clips are a fifth of all, and show digits that no other clip shows. With the length 13, 17, 29, 37 or 41 a clip
    passes that many places once each, the same ones whatever the direction: without their order its frames say nothing
    of the class. With any other length they tell the axis at most, so that an order-blind model is right half the time.
    """

    name: ClassVar[str] = "moving_digits"
    licence: ClassVar[str] = "that of the source: CC BY 4.0 (digits) or CC BY-SA 3.0 (mnist)"

    source: Literal["digits", "mnist"] = "digits"
    """Where the digits come from."""
    length: Annotated[int, Field(ge=2, le=1000)] = 13
    """Frames of a clip."""
    size: Annotated[int, Field(ge=8)] = 16
    """Side of a frame in pixels; the digit takes half of it."""
    noise: NonNegative = 0.0
    """Deviation of the Gaussian noise on each pixel of each frame, where black is 0 and white is 1."""
    examples: Annotated[int, Field(ge=80)] = 5000
    """Clips in all, an eighth of each direction."""
    shuffled: bool = False
    """A control: the frames of every clip in a random order."""

    def fetch(self, location: DataLocation) -> None:
        self._source().fetch(location)

    def info(self, location: DataLocation) -> DataInfo:
        self._source().info(location)
        shape = (self.length, 1, self.size, self.size)
        return DataInfo(self.name, "clip", shape, "classification", DIRECTIONS, official_test=True, directed=True)

    def content_files(self, location: DataLocation) -> Sequence[str]:
        return self._source().content_files(location)

    def fingerprint(self, location: DataLocation) -> str:
        # other parameters make other clips of the same images
        made = (self.source, self.length, self.size, self.noise, self.examples, self.shuffled)
        return blake2b(f"{made} {self._source().fingerprint(location)}".encode(), digest_size=16).hexdigest()

    def load(self, location: DataLocation) -> Examples:
        check_memory(self.examples, (self.length, self.size, self.size), "examples")
        images = self._source().load(location)
        # RandomState's numbers are frozen for ever, a Generator's may change with numpy
        random = np.random.RandomState(_seed("clips"))
        official_test = np.arange(self.examples) >= self.examples - round(_TEST_SHARE * self.examples)
        shown = _shown(images.official_test, official_test, random)
        targets = np.arange(self.examples) % len(DIRECTIONS)
        inputs = self._frames(images.inputs[:, 0], shown, targets, random)
        self._disturb(inputs)
        return Examples(inputs[:, :, None], targets.astype(np.int64), official_test, groups=shown)

    def _source(self) -> Dataset:
        source = registry.get("dataset", self.source)()
        assert isinstance(source, Dataset)
        return source

    def _frames(
        self,
        images: NDArray[np.uint8] | NDArray[np.float32],
        shown: NDArray[np.int64],
        targets: NDArray[np.int64],
        random: np.random.RandomState,
    ) -> NDArray[np.uint8]:
        """uint8 (clips, frames, size, size). A frame is the same canvas, moved round the torus."""
        canvases = self._canvases(images, shown)
        start = random.randint(self.size, size=(len(shown), 1, 2))
        passed = places_passed(targets, self.length, self.size, random)
        across, up = np.moveaxis(start + passed, -1, 0)
        pixels = np.arange(self.size)
        rows = (pixels + up[..., None]) % self.size
        columns = (pixels - across[..., None]) % self.size
        clips = np.arange(len(shown))[:, None, None, None]
        frames: NDArray[np.uint8] = canvases[clips, rows[..., :, None], columns[..., None, :]]
        return frames

    def _canvases(self, images: NDArray[np.uint8] | NDArray[np.float32], shown: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 (clips, size, size): the digit of each clip, in the corner."""
        side = self.size // 2
        canvases = np.zeros((len(shown), self.size, self.size), np.uint8)
        for canvas, digit in zip(canvases, images[shown], strict=True):
            image = Image.fromarray(digit)
            fitting = image if image.size == (side, side) else image.resize((side, side), Image.Resampling.BILINEAR)
            canvas[:side, :side] = np.asarray(fitting)
        return canvases

    def _disturb(self, inputs: NDArray[np.uint8]) -> None:
        """Noise and shuffling, in place. Each has random numbers of its own, so that the clips stay the same."""
        noise, order = np.random.RandomState(_seed("noise")), np.random.RandomState(_seed("order"))
        for clip in inputs:
            if self.noise:
                grey = clip + noise.normal(0, 255 * self.noise, clip.shape)
                clip[:] = np.clip(np.rint(grey), 0, 255)
            if self.shuffled:
                clip[:] = clip[order.permutation(len(clip))]


def _shown(
    is_test_image: NDArray[np.bool_], is_test_clip: NDArray[np.bool_], random: np.random.RandomState
) -> NDArray[np.int64]:
    """For each clip the image whose digit it shows; test clips show test images."""
    if not is_test_image.any():
        is_test_image = np.zeros(len(is_test_image), dtype=bool)
        is_test_image[random.permutation(len(is_test_image))[: round(_TEST_SHARE * len(is_test_image))]] = True
    shown = np.empty(len(is_test_clip), dtype=np.int64)
    for test in (False, True):
        chosen = is_test_clip == test
        shown[chosen] = random.choice(np.flatnonzero(is_test_image == test), chosen.sum())
    return shown


def _seed(purpose: str) -> int:
    return int.from_bytes(blake2b(purpose.encode(), digest_size=4).digest(), "big")
