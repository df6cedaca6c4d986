"""One label out of several classes: softmax and cross-entropy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.dataset import DataInfo
from trainables.records import Breakdown, ClassRow, CurveRow, Scores
from trainables.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.tasks import _metrics
    from trainables.tasks._metrics import ClassMetrics


class Classification(Task):
    """Outputs are logits, one for each class; targets are labels int64 (examples,)."""

    name: ClassVar[str] = "classification"
    selections: ClassVar[dict[str, Literal["max", "min"]]] = {
        "val_accuracy": "max",
        "val_balanced_accuracy": "max",
        "val_loss": "min",
    }
    default_selection: ClassVar[str] = "val_accuracy"

    def outputs(self, data: DataInfo) -> int:
        return len(data.classes)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats, at least in float32; targets are labels, or probabilities (batch, classes)."""

        import torch
        import torch.nn.functional as F

        logits = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        return F.cross_entropy(logits, targets.to(logits.dtype) if targets.is_floating_point() else targets)

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Examples whose greatest output is the label, or the most probable class where targets are probabilities."""
        labels = targets.argmax(dim=1) if targets.is_floating_point() else targets
        return (outputs.argmax(dim=1) == labels).sum()

    def scores(self, outputs: Tensor, targets: Tensor) -> Scores:
        """All measures of a split. Raises TrainablesError where outputs are not finite or there are no examples."""

        from trainables.tasks import _metrics
        from trainables.tasks._metrics import ClassMetrics, Predictions

        predictions = Predictions.of(outputs, targets)
        classes = ClassMetrics.of(_metrics.confusion_matrix(predictions))
        accuracy, balanced_accuracy = _metrics.accuracies(predictions.predicted, predictions.targets)
        cross_entropy = _metrics.cross_entropy(predictions)
        return Scores(
            loss=cross_entropy,
            accuracy=accuracy,
            balanced_accuracy=balanced_accuracy,
            precision_macro=classes.macro(classes.precision),
            recall_macro=classes.macro(classes.recall),
            f1_macro=classes.macro(classes.f1),
            f1_weighted=classes.weighted(classes.f1),
            roc_auc_macro=_metrics.roc_auc_macro(predictions),
            cross_entropy=cross_entropy,
            brier=_metrics.brier_score(predictions),
            ece=_metrics.expected_calibration_error(predictions),
        )

    def quick_scores(self, outputs: Tensor, targets: Tensor) -> Scores:
        """Loss, accuracy and balanced accuracy.

        The loss is NaN or infinite where outputs are, so that the caller can tell that the trial has diverged. Raises
        TrainablesError where there are no examples.
        """

        import torch.nn.functional as F

        from trainables.tasks import _metrics

        _metrics.check_labels(outputs, targets)
        logits, labels = outputs.detach().cpu(), targets.detach().cpu()
        accuracy, balanced_accuracy = _metrics.accuracies(logits.argmax(dim=1), labels)
        loss = float(F.cross_entropy(logits.double(), labels))
        return Scores(loss=loss, accuracy=accuracy, balanced_accuracy=balanced_accuracy)

    def breakdown(self, outputs: Tensor, targets: Tensor, data: DataInfo) -> Breakdown:
        """A row for each class, its ROC curve, and the confusion cells that are not zero. Raises as `scores`."""

        from trainables.tasks import _metrics
        from trainables.tasks._metrics import ClassMetrics, Predictions

        predictions = Predictions.of(outputs, targets)
        confusion = _metrics.confusion_matrix(predictions)
        measures = ClassMetrics.of(confusion)
        classes: list[ClassRow] = []
        curves: list[CurveRow] = []
        for index, name in enumerate(data.classes):
            curve = _metrics.roc_curve(predictions, index)
            classes.append(_class_row(index, name, measures, None if curve is None else curve.area))
            if curve is not None:
                curves += _roc_rows(index, curve.thinned())
        return Breakdown(tuple(classes), (*curves, *_confusion_rows(confusion)))


def _class_row(index: int, name: str, measures: ClassMetrics, roc_auc: float | None) -> ClassRow:
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
    )


def _roc_rows(index: int, curve: _metrics.RocCurve) -> Iterator[CurveRow]:
    rates = zip(curve.false_positive_rate.tolist(), curve.true_positive_rate.tolist(), strict=True)
    return (CurveRow("roc", index, point, x, y) for point, (x, y) in enumerate(rates))


def _confusion_rows(confusion: _metrics.Integers) -> Iterator[CurveRow]:
    """Points count along a true class's row of the matrix; `x` repeats the predicted class."""
    for true, counts in enumerate(confusion):
        for point, predicted in enumerate(counts.nonzero()[0].tolist()):
            yield CurveRow("confusion", true, point, float(predicted), float(counts[predicted]), other_index=predicted)
