"""Records as they may leave a trial: plain numbers and texts, whatever a plug-in has put into them."""

import dataclasses
import operator
import traceback
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from trainables.errors import first_line
from trainables.records import CurveRow, Predictions

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Texts made of what was raised. It may be anything: a plug-in's exception need not have a message that can be had,
# written down or read to its end.

MESSAGE_LIMIT: Final = 1_000
"""Characters of a message that fit in a row."""
TRACE_LIMIT: Final = 64_000
"""The same of a traceback."""


def error_line(raised: BaseException) -> str:
    """Return an error's class and the first line of its message, as one line that fits in a row."""
    return truncated(f"{name_of(raised)}: {line_of(raised)}", MESSAGE_LIMIT)


def name_of(raised: BaseException) -> str:
    """Return the name of an error's class: not by way of its metaclass, which may have another idea of it."""
    return str(type.__dict__["__name__"].__get__(type(raised)))


def message_of(raised: BaseException) -> str:
    """The whole of it, as it may be written down."""
    return _or_else(lambda: encodable(str(raised)), "its message cannot be read")


def line_of(raised: BaseException) -> str:
    """Return the first line of the message; the name of the class where that is empty."""
    return first_line(message_of(raised)) or first_line(name_of(raised))


def trace_of(raised: BaseException) -> str:
    """The traceback, with its causes; where those cannot be written, the way to where it was raised."""
    return _or_else(lambda: encodable("".join(traceback.format_exception(raised))), "") or _or_else(
        lambda: encodable("".join([*traceback.format_tb(raised.__traceback__), error_line(raised)])),
        "it has no traceback",
    )


def encodable(text: str) -> str:
    """Escape what UTF-8 has no bytes for (half of a surrogate pair), and what ends a text in C."""
    # by way of the class: a subclass of str may have methods of its own
    return str.encode(text, "utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def truncated(text: str, most: int) -> str:
    """Return the beginning and the end of a text that is longer than `most` characters."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} [{len(text) - 2 * half:,} characters left out] {text[-half:]}"


def _or_else(make: Callable[[], str], otherwise: str) -> str:
    try:
        return make()
    except BaseException as again:  # noqa: BLE001 - a text that cannot be made is reported as such, whatever it raises
        return otherwise and f"({otherwise}: {name_of(again)})"


R = TypeVar("R", bound="DataclassInstance")

_ALWAYS_PLAIN: Final = frozenset({float, bool, type(None), Predictions})
"""Most of what a trial hands out, and no more is asked of it."""
_MAX: Final = 2**63
"""No table has a column for a whole number of this size."""


def plain(record: R) -> R:
    """The same record with numpy's and torch's numbers as Python's. Raises TypeError for what is no number and no text.

    Curves and predictions, which are long, are made by this package alone and left as they are.
    """
    other: dict[str, Any] = {}
    for name in _given(type(record)):
        value = getattr(record, name)
        if type(value) not in _ALWAYS_PLAIN and (made := _plain(value, name)) is not value:
            other[name] = made
    return dataclasses.replace(record, **other) if other else record


@cache
def _given(record: "type[DataclassInstance]") -> tuple[str, ...]:
    """The fields that are given, and not computed."""
    return tuple(field.name for field in dataclasses.fields(record) if field.init)


def _plain(value: Any, name: str) -> Any:
    kind = type(value)
    if kind is int and not -_MAX <= value < _MAX:
        raise TypeError(f"{name} is a whole number of more than 64 bits")
    if kind is int or kind in _ALWAYS_PLAIN:
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
