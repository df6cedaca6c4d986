"""How the fields of a record are columns of a table: each says what it means where it is declared, and there alone."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from itertools import chain
from math import inf
from types import NoneType
from typing import Annotated, Any, Final, Literal, Self, get_args, get_origin, get_type_hints

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Column:
    """Marks a field of a record as a column of a table: `flops: Annotated[int, Column("FLOP", "One forward pass.")]`."""

    unit: str
    """`1` for a plain number, a share or a flag whose share of trials a claim may be about, `-` for text, any other flag or
    an index."""
    about: str
    """One sentence. Of scores, `{examples}` in it becomes the split's words."""
    better: Better | None = None
    """Which way it is better; None where neither way is."""
    title: str = ""
    """As a page writes it, where that is not the name with spaces."""
    measured: bool = True
    """Of a number: whether it is something that a claim can be about."""
    may_be_nan: bool = False
    """Whether it can be not a number, which the tables keep as null."""
    stored: str = ""
    """Its name in the tables, where that is not the field's."""
    bits: Literal[32, 64] = 64
    """Of a number, as a table has it."""
    of_parent: float | None = None
    """Of what compares a variant with the net that it was made of: what that net has beside itself, whose rows are null."""
    of_measurement: bool = False
    """Whether a measurement finds it out (`Headline`)."""
    of_test: bool = False
    """Whether it is of test examples: of scores, those that are `test_` are anyway."""
    share_of_parent: str = ""
    """The column that has a variant's value as a share of its parent's, which the parent's own row gets from there."""

    def titled(self, name: str) -> str:
        """As a page writes a field of this name."""
        return self.title or name.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Column):
    """Marks a field of `Scores`: a column `train_`, `val_` and `test_` of `trials`."""

    each_epoch: bool = False
    """Whether `epochs` has it of validation after every epoch, or only under a protocol that selects by it."""
    at_end: bool = True
    """Whether `trials` has it."""
    shown: bool = False
    """Whether listings and pages show it of the test split, beside what trials are selected by."""
    chance: Callable[[int], float] | None = None
    """Of so many classes, what answers score that know nothing of the inputs, and so what a trial counts as that broke; None
    where nobody can say."""
    least: float = -inf
    most: float = inf
    """Between these any value of it lies, whatever a net answers."""
    of_positive: bool = False
    """Whether it is of one class, which the data set calls positive: named `recall_positive`, and `recall[defect]` where the
    class is said (`ClassMeasure`). What two trials have of it need not be of one class."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """Marks a field that holds a record: what stands before the names of that record's columns."""

    prefix: str
    examples: str = ""
    """The words for a split, where the record is `Scores`."""
    each_epoch: bool = False
    """Whether it has the scores of every epoch, or those of the end."""
    null: str = ""
    """Of which rows all of its columns are null, in words that go on from "Null"; empty where each says it by itself."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Marks a field that holds records, each of them a row of the table that is named as the field."""

    about: str
    """One sentence."""
    key: tuple[str, ...]
    """The columns that together tell a trial's rows apart."""
    since: int
    """The version of the results that the table came with."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column as a table has it."""

    name: str
    type: type
    """str, int, float, bool or datetime."""
    nullable: bool
    about: str
    column: Column

    @property
    def is_measure(self) -> bool:
        """Whether a claim can be about it."""
        return self.type in (int, float, bool) and self.column.measured and self.column.unit != "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Measures of one split. Each task declares its own (`Task.scores`): fields of a subclass, marked with `Score`."""

    loss: Annotated[
        float, Score("loss", "The task's plain loss on {examples}.", "lower", "loss", each_epoch=True, at_end=False)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline(Column):
    """Marks a field of `Headlines`: a column that a measurement fills, and from whose row that of the trial gets it."""

    of_measurement: bool = True
    of_test: bool = True


@dataclass(frozen=True, slots=True)
class Headlines:
    """What a measurement tells of a net in a figure each. Each measurement declares its own (`Measurement.headlines`):
    fields of a subclass, marked with `Headline`.
    """

    def found(self) -> Iterator[tuple[str, float]]:
        """What is known, by name."""
        values = ((each.name, getattr(self, each.name)) for each in fields(self))
        return ((name, float(value)) for name, value in values if value is not None)


def columns_of(
    record: type, scores: Sequence[type[Scores]] = (), headlines: Sequence[type[Headlines]] = ()
) -> Iterator[TableColumn]:
    """Return the columns of a record and of the records in it.

    scores: of every task, for a field that holds `Scores`; headlines: of every measurement, for one that holds `Headlines`.
    """
    for part in _parts(record):
        if part.column is not None:
            nullable = part.optional or part.column.may_be_nan
            yield TableColumn(part.stored, part.type, nullable, part.column.about, part.column)
        elif issubclass(part.type, Scores):
            yield from _score_columns(part.prefix, scores)
        else:
            held = headlines if part.type is Headlines else (part.type,)
            for inner in chain.from_iterable(columns_of(each, scores, headlines) for each in held):
                name, nullable = f"{part.prefix.prefix}{inner.name}", part.optional or inner.nullable
                told = part.prefix.null and not inner.column.share_of_parent
                about = f"{inner.about} Null {part.prefix.null}." if told else inner.about
                yield TableColumn(name, inner.type, nullable, about, inner.column)


def scores_in(scores: type[Scores]) -> dict[str, Score]:
    """Return what a task measures at the end, by name."""
    return {part.name: part.column for part in _parts(scores) if isinstance(part.column, Score) and part.column.at_end}


def score_marks(scores: type[Scores]) -> dict[str, Score]:
    """Return everything that a task measures, also what epochs alone have, by name."""
    return {part.name: part.column for part in _parts(scores) if isinstance(part.column, Score)}


def score_types(scores: type[Scores]) -> dict[str, type]:
    """Return the type of each score, by name."""
    return {part.name: part.type for part in _parts(scores) if isinstance(part.column, Score)}


def rows_in(record: type) -> Iterator[tuple[str, type, Rows]]:
    """Return the fields that hold rows of tables: name, the record of a row, and what is said of it."""
    for name, hint in get_type_hints(record, include_extras=True).items():
        kind, *marks = get_args(hint)
        yield from ((name, get_args(kind)[0], mark) for mark in marks if isinstance(mark, Rows))


def values_of(record: Any) -> dict[str, Any]:
    """Return the values of a record by the names of their columns; a record in it that is None has none."""
    values: dict[str, Any] = {}
    for part in _parts(type(record)):
        value = getattr(record, part.name)
        if part.column is not None:
            values[part.stored] = value
        elif isinstance(value, Scores):
            names = _score_names(type(value), part.prefix)  # type: ignore[arg-type]  # its records have no hash, and it has
            values |= {column: getattr(value, name) for name, column in names}
        elif value is not None:
            values |= {f"{part.prefix.prefix}{name}": inner for name, inner in values_of(value).items()}
    return values


@cache
def _score_names(scores: type[Scores], prefix: Prefix) -> tuple[tuple[str, str], ...]:
    """The fields that stand behind this prefix, and the names of their columns."""
    names = [part.name for part in _parts(scores) if _is_of(part.column, prefix)]
    return tuple((name, f"{prefix.prefix}{name}") for name in names)


def _score_columns(prefix: Prefix, scores: Sequence[type[Scores]]) -> Iterator[TableColumn]:
    """Return those of all tasks; null where a trial's task lacks it. Tasks that share a score have one column."""
    seen: set[str] = set()
    for part in (part for of_task in scores for part in _parts(of_task)):
        if part.name not in seen and part.column is not None and _is_of(part.column, prefix):
            seen.add(part.name)
            about = part.column.about.replace("{examples}", prefix.examples)
            yield TableColumn(f"{prefix.prefix}{part.name}", part.type, True, about, part.column)


def _is_of(column: Column | None, prefix: Prefix) -> bool:
    return isinstance(column, Score) and (prefix.each_epoch or column.at_end)


@dataclass(frozen=True, slots=True)
class _Part:
    """A field of a record: a column, or a record in it."""

    name: str
    type: type
    optional: bool
    column: Column | None
    prefix: Prefix
    stored: str
    """The column's name."""


_NO_PREFIX: Final = Prefix("")
_known: Final[dict[type, tuple[_Part, ...]]] = {}


def _parts(record: type) -> tuple[_Part, ...]:
    """Return the fields that are columns or hold records; any other is none of the tables'."""
    if record not in _known:  # each row that is written asks
        hints = get_type_hints(record, include_extras=True)
        found = (_part(each.name, hints[each.name]) for each in fields(record))
        _known[record] = tuple(part for part in found if part.column is not None or is_dataclass(part.type))
    return _known[record]


def _part(name: str, hint: Any) -> _Part:
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)  # type: ignore[assignment]
    members = [member for member in get_args(hint) if member is not NoneType] if NoneType in get_args(hint) else [hint]
    optional = len(members) != 1 or members[0] is not hint
    kind = members[0]
    if get_origin(kind) is Literal:
        kind = type(get_args(kind)[0])
    if not isinstance(kind, type):
        kind = object  # a tuple of records: nothing of a row
    column = next((mark for mark in marks if isinstance(mark, Column)), None)
    prefix = next((mark for mark in marks if isinstance(mark, Prefix)), _NO_PREFIX)
    return _Part(name, kind, optional, column, prefix, name if column is None else column.stored or name)


# How a measure of one class is named: `recall[defect]`, or `val_recall[defect]` where a split is said.

POSITIVE: Final = "_positive"
"""How the columns end that hold measures of the class that a data set calls positive."""
_FORM: Final = re.compile(r"(train_|val_|test_)?([a-z][a-z0-9_]*)\[(.+)\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ClassMeasure:
    """A measure of one class against the rest."""

    split: str
    """`train_`, `val_` or `test_`; empty where none is said."""
    name: str
    """Such as `recall`."""
    of: str
    """The class."""

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None where it is not of this form. Whether there is such a measure, and such a class, is not asked."""
        found = _FORM.fullmatch(text)
        return None if found is None else cls(found[1] or "", found[2], found[3])

    def __str__(self) -> str:
        return f"{self.split}{self.name}[{self.of}]"

    @property
    def stored(self) -> str:
        """The column that holds it where the class is the positive one: `val_recall_positive`."""
        return f"{self.split}{self.name}{POSITIVE}"

    def on(self, split: str) -> "ClassMeasure":
        """The same on another split."""
        return ClassMeasure(split, self.name, self.of)
