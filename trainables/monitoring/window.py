"""Pictures as they come, made into windows of what a net says of them."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.data.images import EncodedImage, Header, read_header
from trainables.errors import BrokenImage
from trainables.measurements._drifting import features_of, features_taken
from trainables.stages.trial_net import TrialNet, read, this_process

NO_LABEL: Final = -2
UNKNOWN: Final = -1
"""The label of a picture of a class that the net has not."""
_SAME_RATIO: Final = 0.02
"""Rounding to pixels changes the ratio of the sides by so much in the sizes that are usual."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One that has come."""

    name: str
    """Its file, or file#row, on one line."""
    image: EncodedImage | None
    """None where it cannot be read."""
    unread: str | None = None
    """Why it cannot."""
    label: int = NO_LABEL
    """Its class, as an index of the net's; `UNKNOWN`, `NO_LABEL`."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a net says of some pictures."""

    probabilities: NDArray[np.float64]
    """(n, classes)."""
    features: NDArray[Any]
    """(n, d): what its last linear layer takes; the probabilities where it has none."""

    @property
    def not_finite(self) -> int:
        """Pictures of which it says what is not finite."""
        finite = np.isfinite(self.probabilities).all(axis=1) & np.isfinite(self.features).all(axis=1)
        return int((~finite).sum())


def said_of(net: TrialNet, stored: NDArray[np.uint8]) -> Said:
    """stored: (n, channels, height, width) as the net's data set keeps them, n at least 1."""
    with features_taken(net.net) as taken:
        outputs = net.said_of(stored).outputs
    probabilities = torch.softmax(torch.from_numpy(outputs).double(), dim=1).numpy()
    return Said(probabilities, features_of(taken, probabilities, this_process()))


def together(parts: list[Said]) -> Said:
    """parts: one at least."""
    return Said(
        np.concatenate([part.probabilities for part in parts]), np.concatenate([part.features for part in parts])
    )


@dataclass(frozen=True, slots=True)
class Window:
    """Pictures that are judged together, and what the net says of them."""

    said: Said
    labels: NDArray[np.int64]
    """(n,): as in `Picture`."""
    first: int
    """Place among all that came, from 1."""
    last: int
    first_image: str
    last_image: str
    unreadable: int
    distinct: int
    digest: bytes
    """Of its first picture as the net takes it."""
    other_aspect: int
    other_channels: int

    @property
    def n(self) -> int:
        return len(self.labels)


@dataclass
class WindowReader:
    """Takes pictures until they are a window. No more of them than a batch of the net are held at a time."""

    net: TrialNet
    size: int
    came: int = 0
    """Pictures so far, broken ones too."""
    unreadable: int = 0
    """Of the window that is not full yet."""
    _stored: list[NDArray[np.uint8]] = field(default_factory=list)
    _said: list[Said] = field(default_factory=list)
    _labels: list[int] = field(default_factory=list)
    _places: list[tuple[int, str]] = field(default_factory=list)
    _digests: list[bytes] = field(default_factory=list)
    _headers: list[Header] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """Pictures of the window that is not full yet."""
        return len(self._labels)

    @property
    def waiting_distinct(self) -> int:
        return len(set(self._digests))

    @property
    def first_digest(self) -> bytes:
        """Of the first that waits."""
        return self._digests[0]

    def take(self, picture: Picture) -> str | None:
        """Return why it cannot be read; None where it is read."""
        self.came += 1
        if picture.image is None:
            self.unreadable += 1
            return picture.unread or ""
        try:
            encoded = read(picture.image)
            header, stored = read_header(encoded), self.net.stored_one(encoded)
        except BrokenImage as broken:
            self.unreadable += 1
            return broken.why
        self._headers.append(header)
        self._stored.append(stored)
        self._labels.append(picture.label)
        self._places.append((self.came, picture.name))
        self._digests.append(blake2b(stored.tobytes(), digest_size=16).digest())
        if len(self._stored) == self.net.batch_size:
            self._answer()
        return None

    def full(self) -> Window | None:
        """The window, where it is full; the next picture then begins another."""
        if self.waiting < self.size:
            return None
        self._answer()
        (first, first_image), (last, last_image) = self._places[0], self._places[-1]
        channels, height, width = self.net.image_shape
        ratios = np.array([header.width * height / (header.height * width) for header in self._headers])
        window = Window(
            together(self._said),
            np.array(self._labels, np.int64),
            first,
            last,
            first_image,
            last_image,
            self.unreadable,
            self.waiting_distinct,
            self.first_digest,
            other_aspect=int((np.abs(ratios - 1) > _SAME_RATIO).sum()),
            other_channels=sum(header.grey != (channels == 1) for header in self._headers),
        )
        for kept in (self._said, self._labels, self._places, self._digests, self._headers):
            kept.clear()
        self.unreadable = 0
        return window

    def _answer(self) -> None:
        if self._stored:
            self._said.append(said_of(self.net, np.stack(self._stored)))
            self._stored.clear()
