"""A table is a pyarrow schema whose fields carry a unit and a sentence."""

from dataclasses import dataclass

import pyarrow as pa

TEXT = pa.string()
INT = pa.int64()
REAL = pa.float64()
FLAG = pa.bool_()
TIME = pa.timestamp("us", tz="UTC")


def column(name: str, type_: pa.DataType, unit: str, about: str, *, required: bool = False) -> pa.Field:
    """A field with its unit (`1` for a plain number or a share, `-` for text) and one sentence."""
    return pa.field(name, type_, nullable=not required, metadata={"unit": unit, "about": about})


def unit(field: pa.Field) -> str:
    return str(field.metadata[b"unit"].decode())


def about(field: pa.Field) -> str:
    return str(field.metadata[b"about"].decode())


@dataclass(frozen=True)
class Table:
    """One Parquet file of a results directory."""

    name: str
    about: str
    key: tuple[str, ...]
    """The columns that together name a row."""
    schema: pa.Schema

    @property
    def columns(self) -> list[str]:
        return list(self.schema.names)
