"""Where tuning looks for a parameter's values, as `tuning_config` has it, and whether a value lies at an edge of that."""

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

from orchestrator.tuning.wording import shown_value

EDGE: Final = 0.05
"""Share of a range, on its scale, that counts as its edge: a search seldom draws an end itself."""
_ORDERED: Final = 3
"""A list of fewer numbers is nothing but edges."""

Edge = Literal["lower", "upper"]


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers between two."""

    low: float
    high: float
    log: bool

    def edge(self, value: Any) -> Edge | None:
        share = math.log(value / self.low) / math.log(self.high / self.low) if self.log else self._share(value)
        return "lower" if share <= EDGE else "upper" if share >= 1 - EDGE else None

    def bands(self) -> tuple[tuple[float, float], ...]:
        """Both edges, from end to end."""
        return (self.low, self._at(EDGE)), (self._at(1 - EDGE), self.high)

    def place(self, value: Any) -> float:
        """On the axis of a chart."""
        return float(value)

    def __str__(self) -> str:
        return f"{shown_value(self.low)} to {shown_value(self.high)}"

    def _share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def _at(self, share: float) -> float:
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + (self.high - self.low) * share


@dataclass(frozen=True, slots=True)
class Listed:
    """Some values; any JSON. Numbers are in ascending order."""

    texts: tuple[str, ...]
    """JSON of each; numbers for the eye."""
    numbers: tuple[float, ...]
    """The same; empty where any is no number."""

    @property
    def log(self) -> bool:
        """Whether they are further apart the greater they are: 0.001, 0.01, 0.1."""
        gaps = [upper - lower for lower, upper in pairwise(self.numbers)]
        return bool(gaps) and self.numbers[0] > 0 and gaps[-1] >= 2 * gaps[0]

    def edge(self, value: Any) -> Edge | None:
        if len(self.numbers) < _ORDERED:
            return None
        return "lower" if value == self.numbers[0] else "upper" if value == self.numbers[-1] else None

    def place(self, value: Any) -> float:
        """On the axis of a chart: the number, or the position in the list."""
        return float(value) if self.numbers else self.texts.index(json.dumps(value, sort_keys=True))

    def places(self) -> tuple[float, ...]:
        """Of all values, in order."""
        return self.numbers or tuple(map(float, range(len(self.texts))))

    def __str__(self) -> str:
        return f"{self.texts[0]} to {self.texts[-1]}"


Domain = Interval | Listed


def domain_of(written: list[Any]) -> Domain:
    """As the grid has it: [low, high, log], [low, high, linear], or a list of values."""
    if len(written) == 3 and written[-1] in ("log", "linear"):
        return Interval(written[0], written[1], written[2] == "log")
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in written):
        numbers = sorted(written)
        return Listed(tuple(shown_value(number) for number in numbers), tuple(map(float, numbers)))
    return Listed(tuple(json.dumps(value, sort_keys=True) for value in written), ())
