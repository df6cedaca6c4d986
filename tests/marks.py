"""Which of a test's parameters run by default."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def slow_but(kept: Collection[Any], values: Iterable[Any]) -> list[Any]:
    """All values; those that are not kept are `slow`: `make slow-tests` runs them."""
    given = list(values)
    assert all(value in given for value in kept), "what is kept is one of them"
    return [value if value in kept else pytest.param(value, marks=pytest.mark.slow) for value in given]
