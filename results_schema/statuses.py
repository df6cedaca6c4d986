"""What a trial can be, and what that means for it: every set of statuses is one of these or made of them."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

Trained = Literal["completed", "diverged"]
Retryable = Literal["failed", "timed_out", "out_of_memory"]
Status = Literal["pending", "running", Trained, Retryable, "cancelled", "skipped"]

STATUSES: Final[tuple[str, ...]] = get_args(Status)

TRAINED: Final[frozenset[str]] = frozenset(get_args(Trained))
"""Statuses of trials that came to their own end."""

RETRYABLE: Final[frozenset[str]] = frozenset(get_args(Retryable))
"""Statuses that run again only when asked to (`--retry`)."""

BROKEN: Final[tuple[str, ...]] = ("diverged", *get_args(Retryable))
"""Statuses of trials that were executed and have no score, in the order in which they are reported."""

FINAL: Final = TRAINED | {"skipped"}
"""Statuses that stand: such a trial never runs again."""

ENDED: Final = TRAINED | RETRYABLE
"""Statuses of trials that were executed and came to an end."""

OPEN: Final = frozenset({"pending", "running", "cancelled"})
"""Statuses that run again by themselves."""

UNDER_WAY: Final = OPEN - {"cancelled"}
"""Statuses of trials that a sweep which is not stopped has still to finish."""

NOT_MADE: Final = "not made: "
"""Begins the reason of a variant that was skipped when it turned out that nothing is to be made of its net: it stands."""


def still_to_run(counts: Mapping[str, int]) -> int:
    """Trials that will be executed by themselves. counts: trials by status."""
    return sum(counts.get(status, 0) for status in OPEN)
