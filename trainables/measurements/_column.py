"""What a column of a data set's files says of each example, beside its class: what measurements may part examples by."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.files import printable

MOST: Final = 1_000
"""Different values of a column of groups; one of more has names of single examples rather than groups."""
TOO_MANY: Final = f"there are more than {MOST:,} different values, which are names rather than groups"
_FEW: Final = 20
_LONGEST: Final = 255
"""Signs of a value; longer ones are texts to be read."""
_NONE: Final = -1


@dataclass(frozen=True, slots=True)
class ExampleColumn:
    """The values of each example, where they have one: at most `MOST` different ones, or numbers, or both."""

    values: tuple[str, ...] | None
    """The different ones; None where they are more than `MOST`."""
    codes: NDArray[np.int32]
    """(examples,), indices of `values`, -1 for an example without one; empty where `values` is None."""
    numbers: NDArray[np.float64] | None
    """(examples,), NaN for an example without one; None where not all are finite numbers."""

    def of(self, examples: NDArray[np.int64]) -> "ExampleColumn":
        """The same of some examples. Raises IndexError."""
        codes = self.codes if self.values is None else self.codes[examples]
        return replace(self, codes=codes, numbers=None if self.numbers is None else self.numbers[examples])

    def labels(self, without: str) -> list[str] | None:
        """Of each example its value, `without` where it has none; None where they are more than `MOST`."""
        return None if self.values is None else [*map((*self.values, without).__getitem__, self.codes.tolist())]

    @property
    def is_empty(self) -> bool:
        """Whether no example has a value."""
        has_value = self.codes >= 0 if self.numbers is None else np.isfinite(self.numbers)
        return not has_value.any()

    @property
    def is_quantity(self) -> bool:
        """Whether its numbers are a quantity rather than names of groups: fractions, and too many to look at each."""
        many = self.values is None or len(self.values) > _FEW
        return many and self.numbers is not None and bool((np.nan_to_num(self.numbers) % 1).any())


def column_of(cells: Iterable[Any]) -> ExampleColumn:
    """Read one cell of each example in its order: a text, a number or a boolean. None, an empty text, NaN and infinities are
    no value.

    Takes 12 bytes an example, however long the texts are. Raises ValueError where one is too long, or where more than `MOST`
    are different and not all are numbers.
    """
    known: dict[str, int] = {}
    codes, numbers = array("i"), array("d")
    are_numbers = are_groups = True
    for cell in cells:
        text, number = _read(cell)
        if len(text) > _LONGEST:
            raise ValueError(f"a value has {len(text):,} signs, of {_LONGEST} at most")
        are_numbers = are_numbers and (number is not None or not text)
        if are_numbers:
            numbers.append(nan if number is None else number)
        are_groups = are_groups and (text in known or not text or len(known) < MOST)
        if are_groups:
            codes.append(known.setdefault(text, len(known)) if text else _NONE)
        elif not are_numbers:
            raise ValueError(TOO_MANY)
    return ExampleColumn(
        tuple(map(printable, known)) if are_groups else None,
        np.array(codes if are_groups else (), np.int32),
        np.array(numbers, np.float64) if are_numbers else None,
    )


def _read(cell: Any) -> tuple[str, float | None]:
    """A value as text, empty where there is none, and as the number that it is, if so."""
    if isinstance(cell, bool):
        return str(cell).lower(), None
    text = "" if cell is None else str(cell).strip()
    try:
        number = float(text)
    except ValueError:
        return text, None
    if not isfinite(number):
        return "", None
    # pandas makes fractions of whole numbers, one of which is missing
    return (text.removesuffix(".0") if isinstance(cell, float) else text), number
