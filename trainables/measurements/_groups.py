"""How a classifier does on parts of its data: each group's figures, the worst of them, and how far their errors differ."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

MIN_EXAMPLES: Final = 30
"""A smaller group is shown, and compared with no other: its figures are noise."""
_Z: Final = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """The figures of one group. What cannot be told, a rate of no examples, is None."""

    group: str
    n: int
    correct: int
    accuracy: float | None
    accuracy_low: float
    accuracy_high: float
    """Wilson's 95 % interval."""
    recall_macro: float | None
    """Mean recall over the classes that the group has examples of."""
    recalls: tuple[float | None, ...]
    """By class: of its examples, the share answered so."""
    false_positive_rates: tuple[float | None, ...]
    """By class: of the other classes' examples, the share answered so."""
    selection_rates: tuple[float | None, ...]
    """By class: of all examples, the share answered so."""
    without_positive: tuple[int, ...]
    """Classes of the data that the group has no example of."""
    without_negative: tuple[int, ...]
    """Classes of the data that all examples of the group are of."""

    @property
    def left_out(self) -> str:
        """Why the group is compared with no other; empty where it is."""
        if self.n < MIN_EXAMPLES:
            return too_few(self.n)
        if self.without_negative:
            return f"every example is of class {self.without_negative[0]}"
        if self.without_positive:
            more = len(self.without_positive) - 1
            return f"no example of class {self.without_positive[0]}" + (f" and of {more} more" if more else "")
        return ""


@dataclass(frozen=True, slots=True)
class EqualizedOdds:
    """The largest difference between two groups in how often one class is answered, where it is true or where it is not."""

    difference: float
    target: int
    """The class."""
    rate: Literal["recall", "false_positive_rate"]
    lowest: str
    highest: str
    """The groups with the lowest and the highest rate."""


def too_few(n: int) -> str:
    """Why a part of so many examples is compared with no other; empty where they are enough."""
    return f"{n} examples, fewer than {MIN_EXAMPLES}" if n < MIN_EXAMPLES else ""


def wilson(correct: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share: all of 0 to 1 where nothing was counted.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American Statistical
    Association 22 (1927). Raises ValueError where `correct` is not within 0 and n.
    """
    if not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} is no share")
    if n == 0:
        return 0.0, 1.0
    share, scale = correct / n, 1 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / scale
    reach = _Z / scale * (share * (1 - share) / n + _Z**2 / (4 * n**2)) ** 0.5
    # at the ends the interval ends there; rounding would leave 1e-17 between
    return (0.0 if correct == 0 else centre - reach), (1.0 if correct == n else centre + reach)


def group_rows(
    targets: NDArray[np.integer[Any]],
    predictions: NDArray[np.integer[Any]],
    groups: NDArray[Any] | Sequence[str],
    *,
    classes: int,
    names: Iterable[str] = (),
) -> tuple[GroupRow, ...]:
    """Measure each group, sorted by name.

    targets, predictions: (examples,), indices of classes. groups: (examples,), what each belongs to; compared as text.
    names: groups that are shown although no example may belong to them. Raises ValueError where the lengths differ, or an
    index is not one of the classes.
    """
    labels = np.asarray(groups).astype(str)
    _check(targets, predictions, labels, classes)
    every = np.unique(np.concatenate([labels, np.asarray(list(names), dtype=str)]))
    codes = np.searchsorted(every, labels)

    def by_class(of: NDArray[np.bool_] | slice, answered: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        cells = (codes * classes + answered)[of]
        return np.bincount(cells, minlength=len(every) * classes).reshape(len(every), classes)

    positives, selected = by_class(slice(None), targets), by_class(slice(None), predictions)
    hits = by_class(targets == predictions, targets)
    there = np.flatnonzero(positives.sum(axis=0))
    return tuple(
        _row(str(name), positives[place], selected[place], hits[place], there) for place, name in enumerate(every)
    )


def _check(
    targets: NDArray[np.integer[Any]], predictions: NDArray[np.integer[Any]], labels: NDArray[np.str_], classes: int
) -> None:
    if not targets.shape == predictions.shape == labels.shape or targets.ndim != 1:
        raise ValueError(
            f"each example has one target, one prediction and one group: there are {targets.shape}, {predictions.shape} and "
            f"{labels.shape}"
        )
    for name, indices in (("target", targets), ("prediction", predictions)):
        if len(indices) and not 0 <= indices.min() <= indices.max() < classes:
            raise ValueError(
                f"a {name} is not one of the {classes} classes: they are {indices.min()} to {indices.max()}"
            )


def _row(
    name: str,
    positives: NDArray[np.int64],
    selected: NDArray[np.int64],
    hits: NDArray[np.int64],
    there: NDArray[np.intp],
) -> GroupRow:
    """there: the classes that the data has examples of, in whatever group."""
    n, correct = int(positives.sum()), int(hits.sum())
    low, high = wilson(correct, n)
    recalls = _rates(hits, positives)
    known = [recall for recall in recalls if recall is not None]
    return GroupRow(
        group=name,
        n=n,
        correct=correct,
        accuracy=correct / n if n else None,
        accuracy_low=low,
        accuracy_high=high,
        recall_macro=sum(known) / len(known) if known else None,
        recalls=recalls,
        false_positive_rates=_rates(selected - hits, n - positives),
        selection_rates=_rates(selected, np.full_like(selected, n)),
        without_positive=tuple(int(each) for each in there if positives[each] == 0),
        without_negative=tuple(int(each) for each in there if n and positives[each] == n),
    )


def _rates(counts: NDArray[np.int64], of: NDArray[np.int64]) -> tuple[float | None, ...]:
    return tuple(count / all_ if all_ else None for count, all_ in zip(counts.tolist(), of.tolist(), strict=True))


def worst_group(rows: Iterable[GroupRow], *, of_any_class: bool = False) -> GroupRow | None:
    """The group of the lowest accuracy among those that are not left out; of equal ones the larger. None below two.

    of_any_class: a group that has no example of some class takes part too, as it has to where the groups are the classes.
    """
    compared = [row for row in rows if (row.n >= MIN_EXAMPLES if of_any_class else not row.left_out)]
    return min(compared, key=lambda row: (row.correct / row.n, -row.n)) if len(compared) > 1 else None


def equalized_odds(rows: Iterable[GroupRow]) -> EqualizedOdds | None:
    """Compare each class against the rest between the groups that are not left out. None where fewer than two are.

    Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning" (NeurIPS 2016): equal recall and equal
    false-positive rate. A class that the data has no example of is compared too by how often it is answered in error.
    """
    compared = [row for row in rows if not row.left_out]
    if len(compared) < 2:
        return None
    found = [
        each
        for target in range(len(compared[0].recalls))
        for each in (
            _difference([row.recalls[target] for row in compared], compared, target, "recall"),
            _difference(
                [row.false_positive_rates[target] for row in compared], compared, target, "false_positive_rate"
            ),
        )
        if each is not None
    ]
    return max(found, key=lambda each: each.difference, default=None)


def _difference(
    rates: Sequence[float | None],
    rows: Sequence[GroupRow],
    target: int,
    rate: Literal["recall", "false_positive_rate"],
) -> EqualizedOdds | None:
    known = [(value, row.group) for value, row in zip(rates, rows, strict=True) if value is not None]
    if len(known) < 2:  # a recall of a class that the data has no example of
        return None
    lowest, highest = min(known), max(known)
    return EqualizedOdds(highest[0] - lowest[0], target, rate, lowest[1], highest[1])
