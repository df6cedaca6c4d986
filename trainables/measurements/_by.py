"""What an entry of `groups.by` means: something of orch's own, or a column of the data."""

from typing import Final

CLASS: Final = "class"
SLICES: Final = ("brightness", "contrast", "confidence", "distance", "clusters")
OWN: Final = (CLASS, "group", "cue", *SLICES)
"""What means the same for all data."""
_AS_COLUMN: Final = "column:"
"""Before the name of a column that is called as one of these."""
_AS_QUINTILES: Final = "quintiles:"
"""Before the name of a column of numbers that is to be cut, though they are whole."""


def column_in(by: str) -> str | None:
    """The name of the column that is meant; None where it is something of orch's own."""
    prefix = next((each for each in (_AS_COLUMN, _AS_QUINTILES) if by.startswith(each)), "")
    return None if by in OWN else by.removeprefix(prefix)


def is_cut(by: str) -> bool:
    """Whether a column is to be cut into quintiles."""
    return by.startswith(_AS_QUINTILES)
