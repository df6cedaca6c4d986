"""A CSV file that says which pictures belong together: `path,group`, a line for each picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.data.csv_list import listed


def listed_groups(file: Path, pictures: Sequence[str]) -> NDArray[np.int64]:
    """The group of each picture, numbered from 0. Raises UnfitOption, as `listed` does."""
    entries = listed(file, "groups", "group", pictures)
    _, numbers = np.unique([entry.value for entry in entries], return_inverse=True)
    return numbers.astype(np.int64)
