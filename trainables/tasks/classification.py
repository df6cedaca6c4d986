"""One label out of several classes: softmax and cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import log
from typing import TYPE_CHECKING, Annotated, ClassVar

from trainables.columns import POSITIVE, Score, Scores
from trainables.dataset import DataInfo
from trainables.records import Breakdown
from trainables.task import Answers, SplitOutputs, Task
from trainables.tasks._by_class import ClassBreakdown, ThresholdRow, by_class, thresholds_of

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.tasks._metrics import Predictions


# What answers score that know nothing of the inputs: each class is said as often, with the same probability. Classes count
# as equally frequent, which macro averages of recall, precision and average precision make of those that are not.


def _right(classes: int) -> float:
    return 1 / classes


def _among_five(classes: int) -> float:
    return min(1.0, 5 / classes)


def _half(_: int) -> float:
    return 0.5


def _no_agreement(_: int) -> float:
    return 0.0


def _entropy(classes: int) -> float:
    return log(classes)


def _wrong(classes: int) -> float:
    return 1 - 1 / classes


def _of_positive(about: str) -> Score:
    about = f"{about} (`positive_class`); null where the data set names none."
    return Score("1", about, "higher", each_epoch=True, of_positive=True, measured=False, least=0, most=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationScores(Scores):
    """A class that the split lacks is left out of macro averages. What is None is not measured after every epoch."""

    accuracy: Annotated[
        float | None,
        Score(
            "1",
            "Share of {examples} that are classified correctly.",
            "higher",
            each_epoch=True,
            chance=_right,
            least=0,
            most=1,
        ),
    ] = None
    balanced_accuracy: Annotated[
        float | None,
        Score(
            "1",
            "Mean recall over the classes, on {examples}.",
            "higher",
            each_epoch=True,
            chance=_right,
            least=0,
            most=1,
        ),
    ] = None
    precision_macro: Annotated[
        float | None,
        Score("1", "Precision averaged over the classes, on {examples}.", "higher", chance=_right, least=0, most=1),
    ] = None
    recall_macro: Annotated[
        float | None,
        Score("1", "Recall averaged over the classes, on {examples}.", "higher", chance=_right, least=0, most=1),
    ] = None
    f1_macro: Annotated[
        float | None,
        Score(
            "1",
            "F1 averaged over the classes, on {examples}.",
            "higher",
            "F1 (macro)",
            shown=True,
            chance=_right,
            least=0,
            most=1,
        ),
    ] = None
    f1_weighted: Annotated[
        float | None,
        Score(
            "1",
            "F1 averaged over the classes by their support, on {examples}.",
            "higher",
            chance=_right,
            least=0,
            most=1,
        ),
    ] = None
    roc_auc_macro: Annotated[
        float | None,
        Score(
            "1",
            "Area under the ROC, one class against the rest, on {examples}.",
            "higher",
            chance=_half,
            least=0,
            most=1,
        ),
    ] = None
    average_precision_macro: Annotated[
        float | None,
        Score(
            "1",
            "Average precision (area under the precision-recall curve, summed step by step), one class against the rest,"
            " averaged over the classes, on {examples}.",
            "higher",
            "average precision (macro)",
            chance=_right,
            least=0,
            most=1,
        ),
    ] = None
    top5_accuracy: Annotated[
        float | None,
        Score(
            "1",
            "Share of {examples} whose class is among the five with the largest outputs; null with five classes or fewer.",
            "higher",
            "top-5 accuracy",
            chance=_among_five,
            least=0,
            most=1,
        ),
    ] = None
    matthews: Annotated[
        float | None,
        Score(
            "1",
            "Matthews' correlation coefficient of predicted and true class (of several classes: Gorodkin's), -1 to 1, on"
            " {examples}; 0 where either is always the same class.",
            "higher",
            "Matthews coefficient",
            chance=_no_agreement,
            least=-1,
            most=1,
        ),
    ] = None
    kappa: Annotated[
        float | None,
        Score(
            "1",
            "Cohen's kappa: agreement of predicted and true class beyond chance, at most 1, on {examples}; null where both"
            " are always the same class.",
            "higher",
            "Cohen's kappa",
            chance=_no_agreement,
            least=-1,
            most=1,
        ),
    ] = None
    cross_entropy: Annotated[
        float | None,
        Score(
            "nat",
            "Mean negative log-likelihood of the true class, on {examples}.",
            "lower",
            "cross-entropy",
            chance=_entropy,
            least=0,
        ),
    ] = None
    brier: Annotated[
        float | None,
        Score(
            "1",
            "Mean squared distance of the class probabilities from truth, on {examples}.",
            "lower",
            chance=_wrong,
            least=0,
            most=2,
        ),
    ] = None
    ece: Annotated[
        float | None,
        Score(
            "1", "Expected calibration error over 15 equal bins of confidence, on {examples}.", "lower", least=0, most=1
        ),
    ] = None
    precision_positive: Annotated[float | None, _of_positive("Precision of the positive class on {examples}")] = None
    recall_positive: Annotated[float | None, _of_positive("Recall of the positive class on {examples}")] = None
    f1_positive: Annotated[
        float | None, _of_positive("Harmonic mean of precision and recall of the positive class, on {examples}")
    ] = None
    roc_auc_positive: Annotated[
        float | None, _of_positive("Area under the ROC of the positive class against the rest, on {examples}")
    ] = None
    average_precision_positive: Annotated[
        float | None, _of_positive("Average precision of the positive class against the rest, on {examples}")
    ] = None


class Classification(Task):
    """Outputs are logits, one for each class; targets are labels int64 (examples,)."""

    name: ClassVar[str] = "classification"
    scores: ClassVar[type[Scores]] = ClassificationScores
    tables: ClassVar[type[Breakdown]] = ClassBreakdown
    loss_score: ClassVar[str] = "cross_entropy"
    default_selection: ClassVar[str] = "val_accuracy"
    has_confusion: ClassVar[bool] = True

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

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """All at once where targets are labels."""
        import torch
        import torch.nn.functional as F

        if targets.is_floating_point():
            return super().losses(outputs, targets)
        logits = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return each.view(targets.shape).mean(dim=1)

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """All at once where targets are labels."""
        if targets.is_floating_point():
            return super().hits(outputs, targets)
        return (outputs.argmax(dim=2) == targets).sum(dim=1)

    def measure(self, outputs: Tensor, targets: Tensor) -> ClassificationScores:
        from trainables.tasks import _metrics
        from trainables.tasks._metrics import ClassMetrics, Predictions

        predictions = Predictions.of(outputs, targets)
        confusion = _metrics.confusion_matrix(predictions)
        classes, ranked = ClassMetrics.of(confusion), _metrics.rankings(predictions)
        accuracy, balanced_accuracy = _metrics.accuracies(predictions.predicted, predictions.targets)
        cross_entropy = _metrics.cross_entropy(predictions)
        return ClassificationScores(
            loss=cross_entropy,
            accuracy=accuracy,
            balanced_accuracy=balanced_accuracy,
            precision_macro=classes.macro(classes.precision),
            recall_macro=classes.macro(classes.recall),
            f1_macro=classes.macro(classes.f1),
            f1_weighted=classes.weighted(classes.f1),
            roc_auc_macro=_metrics.roc_auc_macro(ranked),
            average_precision_macro=_metrics.average_precision_macro(ranked),
            top5_accuracy=_metrics.top_accuracy(outputs, targets),
            matthews=_metrics.matthews(confusion),
            kappa=_metrics.kappa(confusion),
            cross_entropy=cross_entropy,
            brier=_metrics.brier_score(predictions),
            ece=_metrics.expected_calibration_error(predictions),
            **self._of_positive(predictions),
        )

    def measure_epoch(self, outputs: Tensor, targets: Tensor) -> ClassificationScores:
        import torch.nn.functional as F

        from trainables.tasks import _metrics

        _metrics.check_labels(outputs, targets)
        logits, labels = outputs.detach().cpu(), targets.detach().cpu()
        accuracy, balanced_accuracy = _metrics.accuracies(logits.argmax(dim=1), labels)
        loss = float(F.cross_entropy(logits.double(), labels))
        of_positive: dict[str, float | None] = {}
        if self.positive_index is not None and bool(logits.isfinite().all()):
            of_positive = self._of_positive(_metrics.Predictions.of(logits, labels))
        return ClassificationScores(loss=loss, accuracy=accuracy, balanced_accuracy=balanced_accuracy, **of_positive)

    def _of_positive(self, predictions: Predictions) -> dict[str, float | None]:
        """The scores of the class of interest, by name; none where no class is named so."""
        from trainables.tasks._metrics import OneClass

        if self.positive_index is None:
            return {}
        found = OneClass.of(predictions, self.positive_index)
        return {f"{each.name}{POSITIVE}": getattr(found, each.name) for each in fields(found)}

    def constant_loss(self, targets: Tensor) -> float:
        """Of the shares of the classes: their entropy, in nats."""
        import torch

        shares = torch.bincount(targets.detach().cpu()).double() / len(targets)
        return float(torch.special.entr(shares).sum())

    def answers(self, outputs: Tensor, targets: Tensor) -> Answers:
        """The class of the greatest output, and the probability of the true one."""
        import numpy as np

        from trainables.tasks._metrics import Predictions

        predictions = Predictions.of(outputs, targets)
        truth = predictions.targets
        return Answers(
            predictions.predicted.numpy().astype(np.float32),
            truth.numpy().astype(np.float32),
            predictions.probabilities.gather(1, truth[:, None])[:, 0].numpy(),
        )

    def breakdown(self, outputs: Tensor, targets: Tensor, data: DataInfo) -> ClassBreakdown:
        """A row for each class, its ROC curve, and the confusion cells that are not zero. Raises as `measure`."""
        from trainables.tasks._metrics import Predictions

        return by_class(Predictions.of(outputs, targets), data.classes)

    def breakdown_beside(self, val: SplitOutputs, test: SplitOutputs, data: DataInfo) -> ClassBreakdown:
        """Also the thresholds of the class of interest, where there is one."""
        return replace(self.breakdown(*test, data), thresholds=self.thresholds(*val, *test))

    def thresholds(
        self, val: Tensor, val_targets: Tensor, test: Tensor, test_targets: Tensor
    ) -> tuple[ThresholdRow, ...]:
        """Those that validation offers, with what each gives on both splits; none where no class is of interest. val, test:
        outputs, as `measure` takes them.
        """
        from trainables.tasks._metrics import Predictions

        if self.positive_index is None:
            return ()
        return thresholds_of(self.positive_index, Predictions.of(val, val_targets), Predictions.of(test, test_targets))
