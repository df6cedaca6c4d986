"""What the measurements of this package declare: tables of their findings, and figures that stand in `trials`."""

from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import cast

from trainables.columns import Headlines, Rows, rows_in
from trainables.interfaces import Measurement
from trainables.records import Breakdown
from trainables.registry import registry


def _measurements() -> Iterator[type[Measurement]]:
    return (cast(type[Measurement], registry.get("measurement", name)) for name in registry.built_in("measurement"))


def tables_of_measurements() -> dict[str, tuple[type, Rows]]:
    """Return their tables by name: the record of a row, and what is said of it."""
    inherited = {name for name, _, _ in rows_in(Breakdown)}
    tables = {each.tables: None for each in _measurements()}
    return {name: (record, rows) for each in tables for name, record, rows in rows_in(each) if name not in inherited}


@cache
def headlines_of_measurements() -> tuple[type[Headlines], ...]:
    """Return the records of those figures."""
    return tuple(dict.fromkeys(each.headlines for each in _measurements()))


@cache
def finders() -> dict[str, type[Measurement]]:
    """Return by its name who finds each of those figures out."""
    return {field.name: each for each in _measurements() for field in fields(each.headlines)}
