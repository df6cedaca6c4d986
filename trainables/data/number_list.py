"""A CSV file with a number to predict for each picture: `path,target`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.data.csv_list import listed
from trainables.data.numbers import fit_numbers
from trainables.errors import UnfitOption


def listed_numbers(file: Path, pictures: Sequence[str]) -> NDArray[np.float32]:
    """The number of each picture, (pictures, 1). Raises UnfitOption, as `listed` does, and where one is no number."""
    entries = listed(file, "target", "target", pictures)
    values = np.empty(len(entries))
    for index, entry in enumerate(entries):
        try:
            values[index] = float(entry.value)
        except ValueError:
            raise UnfitOption("target", f"{file}:{entry.line}: {entry.value!r} is no number") from None
    return fit_numbers(values, lambda index: f"line {entries[index].line}", f"the column target of {file}")
