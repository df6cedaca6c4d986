"""What is known of a data set before any of its examples is decoded."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Files of one kind that lie among the data and are not read."""

    what: str
    """Their ending, such as `.heic`, or `no ending`."""
    files: int
    example: str
    """The path of one."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Labels and names; of clips, one example stands for all that are cut from a recording."""

    classes: tuple[str, ...]
    targets: NDArray[np.int64] | NDArray[np.float32]
    """As in Examples, and so are the next two."""
    official_test: NDArray[np.bool_]
    groups: NDArray[np.int64] | None
    left_out: tuple[LeftOut, ...]

    def __len__(self) -> int:
        return len(self.targets)

    def only(self, kept: NDArray[np.bool_]) -> "Outline":
        """Of these examples."""
        groups = None if self.groups is None else self.groups[kept]
        return replace(self, targets=self.targets[kept], official_test=self.official_test[kept], groups=groups)
