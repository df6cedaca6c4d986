"""Numbers to predict, as a user's files hold them."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.errors import UnfitOption

_NAMED: Final = 3
"""How many rows without a number an error names."""


def fit_numbers(values: NDArray[np.float64], where: Callable[[int], str], what: str) -> NDArray[np.float32]:
    """(examples, 1), as trials read them. Raises UnfitOption where one is missing or no finite number, or all are equal.

    values: (examples,), NaN where there is none. where: names an example's place; what: the column.
    """
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    unfit = np.flatnonzero(~np.isfinite(numbers))
    if len(unfit):
        named = ", ".join(f"{where(int(index))} ({_told(values[index])})" for index in unfit[:_NAMED])
        raise UnfitOption(
            "target",
            f"{what} holds no finite number for {len(unfit)} of {len(values)} pictures: {named}; give each one",
        )
    if len(values) and (numbers == numbers[0]).all():
        raise UnfitOption("target", f"{what} is {numbers[0]:g} for all pictures, so that there is nothing to learn")
    return numbers[:, None]


def _told(value: np.float64) -> str:
    if np.isnan(value):
        return "missing, or NaN"
    return f"{value:g}" if np.isinf(value) else f"{value:g}, beyond 32 bits"
