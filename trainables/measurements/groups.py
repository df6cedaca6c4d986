"""How a net does on parts of its test split: on groups that somebody named, and on slices that nobody did."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from trainables.columns import Column, Headline, Headlines, Rows
from trainables.component import or_one
from trainables.dataset import DataInfo
from trainables.interfaces import Measurement, Model
from trainables.measurements._by import CLASS, OWN, SLICES, column_in
from trainables.records import Breakdown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainables.measurements._groups import GroupRow as Measured
    from trainables.measurements._slices import Slice
    from trainables.stages.measured_net import MeasuredNet
    from trainables.stages.measurement import Findings

By = Annotated[str, Field(min_length=1, max_length=255)]
AnyBy = Annotated[tuple[By, ...], or_one(str, By | tuple[By, ...])]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """A net on a part of the test split."""

    by: Annotated[
        str,
        Column(
            "-",
            "What the test examples are parted by, as `groups` was asked: `class`, `group` (of the data), `cue` (whether a"
            " planted cue stands for the example's own class), a column of the data, a number that is cut into quintiles"
            " (`distance`: to the training split), or `clusters` of what the net makes of them.",
        ),
    ]
    part: Annotated[
        str,
        Column(
            "-", "The group, `(no value)` where a column has none, the range of numbers, or the cluster of an answer."
        ),
    ]
    n: Annotated[int, Column("example", "Test examples in it.")]
    accuracy: Annotated[
        float | None, Column("1", "Share of them that are classified correctly; null where there are none.", "higher")
    ]
    accuracy_low: Annotated[float, Column("1", "Lower end of its 95 % interval (Wilson 1927).", measured=False)]
    accuracy_high: Annotated[float, Column("1", "Upper end of it.", measured=False)]
    recall_macro: Annotated[
        float | None, Column("1", "Mean recall over the classes that it has examples of; null for slices.", "higher")
    ] = None
    selection_rate: Annotated[
        float | None,
        Column(
            "1",
            "Share of them that are answered with the class of interest: the one that the data set names as `positive`, else"
            " the second of two. Null for slices, and where there is no such class.",
        ),
    ] = None
    p: Annotated[
        float | None,
        Column(
            "1",
            "Of a slice: how often so low an accuracy comes about if it is like the rest (one-sided, exact), after Holm over"
            " all slices of the measurement. Null for named groups, and where there are fewer than 30 examples.",
        ),
    ] = None
    left_out: Annotated[str | None, Column("-", "Why it takes part in no comparison; null where it does.")] = None


@dataclass(frozen=True, slots=True)
class GroupTables(Breakdown):
    """What `groups` keeps."""

    groups: Annotated[
        tuple[GroupRow, ...],
        Rows("How a trained net does on each group and slice of its test split.", ("by", "part"), since=12),
    ] = ()


@dataclass(frozen=True, slots=True)
class GroupHeadlines(Headlines):
    """What `groups` tells of a net in `trials`."""

    worst_group_accuracy: Annotated[
        float | None,
        Headline(
            "1",
            "Least accuracy in `groups` of a named group (class, group, cue or value of a column) of at least 30 examples.",
            "higher",
        ),
    ] = None
    equalized_odds_difference: Annotated[
        float | None,
        Headline(
            "1",
            "Largest difference between two such groups, classes apart, in the recall or the false-positive rate of a class"
            " (Hardt et al. 2016). Null where no two can be compared.",
            "lower",
        ),
    ] = None


class Groups(Measurement):
    """Accuracy of each group of the test split, the worst of them, and how far their errors differ.

    Equalised odds are those of Hardt et al. (2016), one class against the rest. A group below 30 examples, or without an
    example of some class, is shown and compared with no other. Slices that nobody named: quintiles of brightness, contrast,
    confidence and distance to the training split (to the tenth nearest, by features of unit length: Sun et al. 2022), and
    clusters of the features of what is answered alike (Sohoni et al. 2020, Eyuboglu et al. 2022).
    """

    name: ClassVar[str] = "groups"
    tables: ClassVar[type[Breakdown]] = GroupTables
    headlines: ClassVar[type[Headlines]] = GroupHeadlines

    by: Annotated[AnyBy, Field(min_length=1)] = (CLASS, *SLICES)
    """What the test split is parted by: class, group, cue, brightness, contrast, confidence, distance, clusters, or a column
    of the data, by its values, or by quintiles where it has fractions (`quintiles:age` cuts whole numbers too).
    `column:class` is a column that is called as one of these."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return self.needs_images(data)

    def lacking_column(self, columns: Callable[[], Sequence[str]]) -> str | None:
        from trainables.data.image_dataset import no_column

        named = {by: column for by in self.by if (column := column_in(by)) is not None}
        there = columns() if named else ()
        lacking = (f"groups by {by}: {no_column(name, there, OWN)}" for by, name in named.items() if name not in there)
        return next(lacking, None)

    def measure(self, net: MeasuredNet) -> Findings:
        from trainables.measurements._groups import equalized_odds, group_rows, worst_group
        from trainables.measurements._parting import NO_VALUE, parted
        from trainables.measurements._slices import Cut, slices
        from trainables.stages.measurement import Findings

        targets, answers = net.tested.targets.cpu().numpy(), net.tested.outputs.argmax(dim=1).cpu().numpy()
        rows: list[GroupRow] = []
        cuts: dict[str, Cut] = {}
        worst: list[float] = []
        odds: list[float] = []
        interest = _of_interest(net.data.info)
        for by in dict.fromkeys(self.by):
            parts = parted(net, by)
            if isinstance(parts, Cut):
                cuts[by] = parts
                continue
            found = group_rows(targets, answers, parts, classes=len(net.data.info.classes))
            named = [each for each in found if each.group != NO_VALUE]
            rows += _named_rows(by, found, NO_VALUE, interest)
            lowest = worst_group(named, of_any_class=by == CLASS)
            differing = None if by == CLASS else equalized_odds(named)
            worst += [lowest.accuracy] if lowest is not None and lowest.accuracy is not None else []
            odds += [differing.difference] if differing is not None else []
        rows += map(_slice_row, slices(targets == answers, cuts))
        headlines = GroupHeadlines(
            worst_group_accuracy=min(worst, default=None), equalized_odds_difference=max(odds, default=None)
        )
        return Findings(GroupTables(groups=tuple(rows)), headlines)


def _of_interest(data: DataInfo) -> int | None:
    """Index of the class whose selection rate is told."""
    if data.positive is not None:
        return data.classes.index(data.positive)
    return 1 if len(data.classes) == 2 else None


def _named_rows(by: str, found: Sequence[Measured], no_value: str, interest: int | None) -> list[GroupRow]:
    rows = [
        _row(by, each, "they have no value" if each.group == no_value else _left_out(by, each), interest)
        for each in found
    ]
    compared = [row for row in rows if row.left_out is None]
    alone = "no other group that it can be compared with"
    return [replace(row, left_out=alone) if compared == [row] else row for row in rows]


def _left_out(by: str, found: Measured) -> str | None:
    from trainables.measurements._groups import too_few

    # of other classes a class has no example by nature
    return (too_few(found.n) if by == CLASS else found.left_out) or None


def _row(by: str, found: Measured, left_out: str | None, interest: int | None) -> GroupRow:
    return GroupRow(
        by=by,
        part=found.group,
        n=found.n,
        accuracy=found.accuracy,
        accuracy_low=found.accuracy_low,
        accuracy_high=found.accuracy_high,
        recall_macro=found.recall_macro,
        selection_rate=None if interest is None else found.selection_rates[interest],
        left_out=left_out,
    )


def _slice_row(found: Slice) -> GroupRow:
    from trainables.measurements._groups import too_few, wilson

    low, high = wilson(round(found.accuracy * found.n), found.n)
    return GroupRow(
        by=found.by,
        part=found.part,
        n=found.n,
        accuracy=found.accuracy,
        accuracy_low=low,
        accuracy_high=high,
        p=found.p_corrected,
        left_out=too_few(found.n) or None,
    )
