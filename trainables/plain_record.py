"""Records as they may leave a trial: plain numbers and texts, whatever a plug-in has put into them."""

import dataclasses
import operator
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from trainables.raised import encodable
from trainables.records import CurveRow

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")

_PLAIN: Final = frozenset({int, float, bool, type(None)})
_MOST: Final = 2**63
"""No table has a column for a whole number of this size."""


def plain(record: R) -> R:
    """The same record with numpy's and torch's numbers as Python's. Raises TypeError for what is no number and no text.

    Curves, which are long, are made by this package alone and left as they are.
    """
    other = {
        field.name: made
        for field in dataclasses.fields(record)
        if (made := _plain(value := getattr(record, field.name), field.name)) is not value
    }
    return dataclasses.replace(record, **other) if other else record


def _plain(value: Any, name: str) -> Any:
    kind = type(value)
    if kind is int and not -_MOST <= value < _MOST:
        raise TypeError(f"{name} is a whole number of more than 64 bits")
    if kind in _PLAIN:
        return value
    if isinstance(value, str):
        text = encodable(value)
        return value if kind is str and text == value else text
    if isinstance(value, tuple):
        parts = value if value and isinstance(value[0], CurveRow) else tuple(_plain(part, name) for part in value)
        return value if all(map(operator.is_, parts, value)) else parts
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(value)
    return _number(value, name)


def _number(value: Any, name: str) -> int | float:
    if isinstance(value, np.bool_):
        return bool(value)
    try:
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        pass
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} is {type(value).__name__}, which is neither a number nor a text") from error
