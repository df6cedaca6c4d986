"""How a net does on parts of its test split: on groups that somebody named, and on slices that nobody did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainables.columns import Column, Headline, Headlines, Rows
from trainables.component import or_one
from trainables.dataset import DataInfo
from trainables.interfaces import Measurement, Model
from trainables.records import Breakdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trainables.measurements._groups import GroupRow as Measured
    from trainables.measurements._slices import Slice
    from trainables.stages.measured_net import MeasuredNet
    from trainables.stages.measurement import Findings

By = Literal["class", "group", "cue", "brightness", "contrast", "confidence"]
AnyBy = Annotated[tuple[By, ...], or_one(str, By | tuple[By, ...])]
_NAMED = ("class", "group", "cue")
_MOST = 1000
"""Groups that are shown; a column of more is a name of each example rather than a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """A net on a part of the test split."""

    by: Annotated[
        str,
        Column(
            "-",
            "What the test examples are parted by: `class`, `group` (of the data), `cue` (whether a planted cue stands for"
            " the example's own class), or a number that is cut into quintiles.",
        ),
    ]
    part: Annotated[str, Column("-", "The group, or the range of numbers.")]
    n: Annotated[int, Column("example", "Test examples in it.")]
    accuracy: Annotated[
        float | None, Column("1", "Share of them that are classified correctly; null where there are none.", "higher")
    ]
    accuracy_low: Annotated[float, Column("1", "Lower end of its 95 % interval (Wilson 1927).", measured=False)]
    accuracy_high: Annotated[float, Column("1", "Upper end of it.", measured=False)]
    recall_macro: Annotated[
        float | None, Column("1", "Mean recall over the classes that it has examples of; null for slices.", "higher")
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
            "Least accuracy of a named group (class, group or cue) of at least 30 test examples that `groups` measured.",
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
    example of some class, is shown and compared with no other. Slices (brightness, contrast, confidence) are quintiles.
    """

    name: ClassVar[str] = "groups"
    tables: ClassVar[type[Breakdown]] = GroupTables
    headlines: ClassVar[type[Headlines]] = GroupHeadlines

    by: Annotated[AnyBy, Field(min_length=1)] = ("class", "brightness", "contrast", "confidence")
    """What the test split is parted by."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return self.needs_images(data)

    def measure(self, net: MeasuredNet) -> Findings:
        from trainables.measurements._groups import equalized_odds, worst_group
        from trainables.stages.measurement import Findings

        rows: list[GroupRow] = []
        worst: list[float] = []
        odds: list[float] = []
        for by in (each for each in dict.fromkeys(self.by) if each in _NAMED):
            found = _named(net, by)
            rows += (_row(by, each) for each in found)
            lowest = worst_group(found, of_any_class=by == "class")
            differing = None if by == "class" else equalized_odds(found)
            worst += [lowest.accuracy] if lowest is not None and lowest.accuracy is not None else []
            odds += [differing.difference] if differing is not None else []
        rows += map(_slice_row, _slices(net, [each for each in dict.fromkeys(self.by) if each not in _NAMED]))
        headlines = GroupHeadlines(
            worst_group_accuracy=min(worst, default=None), equalized_odds_difference=max(odds, default=None)
        )
        return Findings(GroupTables(groups=tuple(rows)), headlines)


def _named(net: MeasuredNet, by: str) -> Sequence[Measured]:
    """Raises CannotDeploy where the data have no such groups, or too many."""
    from trainables.errors import CannotDeploy
    from trainables.measurements._groups import group_rows

    targets, answers = net.tested.targets.cpu().numpy(), net.tested.outputs.argmax(dim=1).cpu().numpy()
    labels = net.labels(by)
    if labels is None:
        raise CannotDeploy(f"groups by {by}: {net.data.info.name} has none")
    if (count := len(set(labels))) > _MOST:
        raise CannotDeploy(f"groups by {by}: {net.data.info.name} has {count:,} of them, more than {_MOST:,}")
    return group_rows(targets, answers, labels, classes=len(net.data.info.classes))


def _row(by: str, found: Measured) -> GroupRow:
    from trainables.measurements._groups import too_few

    # of other classes a class has no example by nature
    left_out = too_few(found.n) if by == "class" else found.left_out
    return GroupRow(
        by=by,
        part=found.group,
        n=found.n,
        accuracy=found.accuracy,
        accuracy_low=found.accuracy_low,
        accuracy_high=found.accuracy_high,
        recall_macro=found.recall_macro,
        left_out=left_out or None,
    )


def _slices(net: MeasuredNet, numbers: Sequence[str]) -> Iterator[Slice]:
    import numpy as np

    from trainables.measurements._slices import brightness, confidence, contrast, slices

    if not numbers:
        return iter(())
    correct = (net.tested.outputs.argmax(dim=1) == net.tested.targets).cpu().numpy()
    images = net.images(np.arange(len(correct)))
    values: dict[str, NDArray[np.float64]] = {}
    for number in numbers:
        match number:
            case "brightness":
                values[number] = brightness(images)
            case "contrast":
                values[number] = contrast(images)
            case _:
                values[number] = confidence(net.tested.outputs.double().softmax(dim=1).cpu().numpy())
    return iter(slices(correct, values))


def _slice_row(found: Slice) -> GroupRow:
    from trainables.measurements._groups import too_few, wilson

    low, high = wilson(round(found.accuracy * found.n), found.n)
    return GroupRow(
        by=found.number,
        part=f"{found.part} of {found.parts}: {found.low:.3g} to {found.high:.3g}",
        n=found.n,
        accuracy=found.accuracy,
        accuracy_low=low,
        accuracy_high=high,
        p=found.p_corrected,
        left_out=too_few(found.n) or None,
    )
