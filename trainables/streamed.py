"""Examples that are decoded while they are trained on, since all of them together do not fit in memory."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class Decoder(ABC):
    """Where the inputs of single examples come from."""

    @abstractmethod
    def decode(self, example: int, key: int | None) -> NDArray[np.uint8]:
        """The input of one example, (*DataInfo.shape). Called from several threads. Raises BrokenPicture.

        key: of the training epoch, 0 to 2**63 - 1, where the input is drawn at random: the same for the same key and
        example. None for what is measured on, which is always the same.
        """

    @abstractmethod
    def content_hashes(self) -> NDArray[np.uint64]:
        """uint64 (examples,), equal where two examples have the same content. Raises DataError, BrokenPicture."""


@dataclass(frozen=True, slots=True)
class StreamedExamples:
    """What a data set hands out in place of `Examples` (`Dataset.streamed`): all but the inputs."""

    decoder: Decoder
    targets: NDArray[np.int64] | NDArray[np.float32]
    """As in Examples, and so are the others."""
    official_test: NDArray[np.bool_]
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.targets)
