"""Numbers as JSON takes them, which knows neither NaN nor infinity."""

import math
from collections.abc import Iterable
from typing import Any

from orchestrator.reports.figures import Number


def number(value: Any, digits: int = 6) -> Number:
    """A finite number to so many significant digits, or None."""
    if value is None:
        return None
    plain = float(value)
    return float(f"{plain:.{digits}g}") if math.isfinite(plain) else None


def numbers(values: Iterable[Any], digits: int = 4) -> tuple[Number, ...]:
    """The same of each."""
    return tuple(number(value, digits) for value in values)
