"""What the tables keep of a split beside its scores where examples have classes: the tables, and the rows of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Annotated

from trainables.columns import Column, Rows
from trainables.records import Breakdown, CurveRow

if TYPE_CHECKING:
    from trainables.tasks import _metrics
    from trainables.tasks._metrics import ClassMetrics, Predictions


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class of the test split."""

    class_index: Annotated[int, Column("-", "The label.")]
    class_name: Annotated[str, Column("-", "What the label stands for.")]
    support: Annotated[int, Column("example", "Test examples of this class.")]
    precision: Annotated[float | None, Column("1", "Share of the predictions of this class that are right.")]
    recall: Annotated[float | None, Column("1", "Share of the examples of this class that are found.")]
    f1: Annotated[float | None, Column("1", "Harmonic mean of precision and recall.")]
    roc_auc: Annotated[float | None, Column("1", "Area under the ROC against the rest, from all scores.")]
    average_precision: Annotated[
        float | None,
        Column("1", "Average precision against the rest, from all scores: precision summed over the steps of recall."),
    ] = None


@dataclass(frozen=True, slots=True)
class ThresholdRow:
    """One threshold of the positive class, chosen on validation: an example at or above it is said to be of the class."""

    point: Annotated[int, Column("-", "Number of the threshold, from 0, the highest first.")]
    threshold: Annotated[float, Column("1", "Probability of the positive class (`positive_class` of the trial).")]
    val_recall: Annotated[float, Column("1", "Recall on the validation examples.")]
    val_precision: Annotated[float, Column("1", "Precision on the validation examples.")]
    test_recall: Annotated[float | None, Column("1", "Recall on the test examples; null if the class has none.")]
    test_precision: Annotated[float | None, Column("1", "Precision on the test examples; null if none is predicted.")]


@dataclass(frozen=True, slots=True)
class ClassBreakdown(Breakdown):
    """The tables of a split whose examples have classes."""

    classes: Annotated[
        tuple[ClassRow, ...],
        Rows("One row for each class of each completed trial, measured on the test split.", ("class_index",), since=1),
    ] = ()
    thresholds: Annotated[
        tuple[ThresholdRow, ...],
        Rows(
            "One row for each threshold at which validation finds one more example of the positive class, at most 500 of a"
            " trial, evenly spread; none where the data set names no class as `positive`. Chosen on validation; the test"
            " split is measured at them.",
            ("point",),
            since=10,
        ),
    ] = ()


def by_class(predictions: Predictions, names: Sequence[str]) -> ClassBreakdown:
    """A row for each class, its ROC curve, and the confusion cells that are not zero. names: of the classes."""
    from trainables.tasks import _metrics
    from trainables.tasks._metrics import ClassMetrics

    confusion = _metrics.confusion_matrix(predictions)
    measures = ClassMetrics.of(confusion)
    classes: list[ClassRow] = []
    curves: list[CurveRow] = []
    for index, (name, ranking) in enumerate(zip(names, _metrics.rankings(predictions), strict=True)):
        curve = ranking.roc_curve
        area = None if curve is None else curve.area
        classes.append(_class_row(index, name, measures, area, ranking.average_precision))
        if curve is not None:
            curves += _roc_rows(index, curve.thinned())
    return ClassBreakdown(curves=(*curves, *_confusion_rows(confusion)), classes=tuple(classes))


def thresholds_of(index: int, validation: Predictions, test: Predictions) -> tuple[ThresholdRow, ...]:
    """At each probability that a validation example of the class has: what finds the same has no higher precision.

    index: the class.
    """
    from trainables.tasks._metrics import AtThreshold, class_thresholds

    found = class_thresholds(validation, index)
    chosen = AtThreshold.of(validation, index, found)
    tested = AtThreshold.of(test, index, found)
    each = zip(found, chosen.recall, chosen.precision, tested.recall, tested.precision, strict=True)
    return tuple(
        ThresholdRow(point, float(threshold), float(recall), float(precision), *map(_defined, on_test))
        for point, (threshold, recall, precision, *on_test) in enumerate(each)
    )


def _defined(value: float) -> float | None:
    return None if isnan(value) else float(value)


def _class_row(
    index: int, name: str, measures: ClassMetrics, roc_auc: float | None, average_precision: float | None
) -> ClassRow:
    support = int(measures.support[index])
    if support == 0:
        return ClassRow(index, name, support, precision=None, recall=None, f1=None, roc_auc=None)
    return ClassRow(
        index,
        name,
        support,
        precision=float(measures.precision[index]),
        recall=float(measures.recall[index]),
        f1=float(measures.f1[index]),
        roc_auc=roc_auc,
        average_precision=average_precision,
    )


def _roc_rows(index: int, curve: _metrics.RocCurve) -> Iterator[CurveRow]:
    rates = zip(curve.false_positive_rate.tolist(), curve.true_positive_rate.tolist(), strict=True)
    return (CurveRow("roc", index, point, x, y) for point, (x, y) in enumerate(rates))


def _confusion_rows(confusion: _metrics.Integers) -> Iterator[CurveRow]:
    """Points count along a true class's row of the matrix; `x` repeats the predicted class."""
    for true, counts in enumerate(confusion):
        for point, predicted in enumerate(counts.nonzero()[0].tolist()):
            yield CurveRow("confusion", true, point, float(predicted), float(counts[predicted]), other_index=predicted)
