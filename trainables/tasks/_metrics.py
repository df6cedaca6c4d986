"""What is measured of a classifier's outputs on a whole split, in float64 on the CPU.

Computed here from the definitions, with numpy: torchmetrics, which has most of it, takes each slot seconds to import
(docs/adr/0013), divides in float32, counts a class in its macro averages as soon as it is predicted, and closes
calibration bins on the left where their paper closes them on the right. The tests hold all of it against scikit-learn.

A class with no example in the split is left out of macro averages, as scikit-learn does with `labels=` the classes
present.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.errors import TrainablesError

CALIBRATION_BINS: Final = 15
ROC_POINTS: Final = 101
THRESHOLDS: Final = 500
TOP: Final = 5
"""Classes among which the true one has to be for `top_accuracy`."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """A classifier's outputs on a split, as probabilities.

    probabilities: float64 (examples, classes), softmax of the outputs. log_likelihoods: float64 (examples,), logarithm
    of the true class's probability, exact where that probability rounds to 0. predicted, targets: int64 (examples,).
    """

    probabilities: Tensor
    log_likelihoods: Tensor
    predicted: Tensor
    targets: Tensor

    @classmethod
    def of(cls, outputs: Tensor, targets: Tensor) -> "Predictions":
        """From logits (examples, classes) and labels (examples,).

        Raises TrainablesError where there is nothing to measure: no examples, outputs that are not finite, labels that
        are not among the classes.
        """
        check_labels(outputs, targets)
        check_finite(outputs)
        logits, labels = outputs.detach().cpu().double(), targets.detach().cpu()
        log_likelihoods = torch.log_softmax(logits, dim=1).gather(1, labels[:, None]).squeeze(1)
        return cls(torch.softmax(logits, dim=1), log_likelihoods, logits.argmax(dim=1), labels)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def classes(self) -> int:
        return self.probabilities.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class ClassMetrics:
    """Measures of each class, float64 (classes,); a ratio with nothing below the line is 0."""

    support: Integers
    """Examples of the class."""
    precision: Floats
    recall: Floats
    f1: Floats

    @classmethod
    def of(cls, confusion: Integers) -> "ClassMetrics":
        """From counts (true class, predicted class)."""
        correct, support, predicted = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
        return cls(
            support, _ratio(correct, predicted), _ratio(correct, support), _ratio(2 * correct, support + predicted)
        )

    def macro(self, measure: Floats) -> float:
        """Mean over the classes that have examples."""
        return float(measure[self.support > 0].mean())

    def weighted(self, measure: Floats) -> float:
        """Mean over the examples, each counting with the measure of its class."""
        return float(np.average(measure, weights=self.support))


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """One class against the rest: false and true positive rates, float64 (points,), from (0, 0) to (1, 1)."""

    false_positive_rate: Floats
    true_positive_rate: Floats

    @property
    def area(self) -> float:
        """Exact area under this curve by the trapezoidal rule, in which ties count one half."""
        x, y = self.false_positive_rate, self.true_positive_rate
        return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2)

    def thinned(self, points: int = ROC_POINTS) -> "RocCurve":
        """At most `points` of the curve's own points, evenly spread along its length, both ends kept.

        Points on a straight piece go first: as long as the corners fit, nothing is lost.
        """
        corners = _corners(self.false_positive_rate, self.true_positive_rate)
        x, y = self.false_positive_rate[corners], self.true_positive_rate[corners]
        if len(x) > points:
            # Both rates only grow, so their sum is the way along the curve; the last point is reached at exactly 2.
            kept = np.unique(np.searchsorted(x + y, np.linspace(0.0, x[-1] + y[-1], points)))
            x, y = x[kept], y[kept]
        return RocCurve(x, y)


def check_finite(outputs: Tensor) -> None:
    """Raise TrainablesError where some of the outputs (examples, outputs) are NaN or infinite."""
    broken = int((~torch.isfinite(outputs)).any(dim=1).sum())
    if broken:
        raise TrainablesError(
            f"the model's outputs are NaN or infinite for {broken} of {len(outputs)} examples and cannot be measured: "
            "training has diverged; lower the learning rate"
        )


def check_examples(outputs: Tensor) -> None:
    """Raise TrainablesError where there are no outputs."""
    if len(outputs) == 0:
        raise TrainablesError("a split without examples cannot be measured; give it a larger share or use more data")


def check_labels(outputs: Tensor, targets: Tensor) -> None:
    """Raise TrainablesError where there are no outputs (examples, classes), or a label is none of the classes."""
    check_examples(outputs)
    last = outputs.shape[1] - 1
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high > last:
        raise TrainablesError(f"labels have to be 0 to {last}, some are {low} to {high}; correct the data set")


def confusion_matrix(predictions: Predictions) -> Integers:
    """Counts, int64 (true class, predicted class)."""
    places = predictions.targets * predictions.classes + predictions.predicted
    return np.bincount(places.numpy(), minlength=predictions.classes**2).reshape(-1, predictions.classes)


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """One class against the rest: the examples from the most probable to the least, cut after each distinct probability.

    Fawcett, An introduction to ROC analysis, 2006, algorithm 1. Both are int64 (distinct probabilities,) and count what
    lies before the cut.
    """

    true_positives: Integers
    false_positives: Integers

    @classmethod
    def of(cls, predictions: Predictions, index: int) -> "Ranking":
        """Of class `index`."""
        scores = predictions.probabilities[:, index].numpy()
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # of runs of equal scores, which are one cut
        true_positives = np.cumsum((predictions.targets == index).numpy()[order])[ends]
        return cls(true_positives, ends + 1 - true_positives)

    @property
    def roc_curve(self) -> RocCurve | None:
        """None where all examples are of the class, or none is."""
        positives, negatives = self.true_positives[-1], self.false_positives[-1]
        if not positives or not negatives:
            return None
        return RocCurve(
            np.append(0.0, self.false_positives / negatives), np.append(0.0, self.true_positives / positives)
        )

    @property
    def average_precision(self) -> float | None:
        """Precision at each cut, weighed by how much recall rises there; None where no example is of the class.

        Zhu, Recall, precision and average precision, 2004. Nothing is interpolated between cuts, where a
        straight line would promise what no threshold reaches (Davis and Goadrich, ICML 2006, section 4).
        """
        positives = self.true_positives[-1]
        if not positives:
            return None
        precision = self.true_positives / (self.true_positives + self.false_positives)
        return float(precision @ np.diff(self.true_positives, prepend=0) / positives)


def rankings(predictions: Predictions) -> list[Ranking]:
    """Return that of each class, in label order."""
    return [Ranking.of(predictions, index) for index in range(predictions.classes)]


def roc_auc_macro(ranked: Sequence[Ranking]) -> float | None:
    """Mean area under the one-against-rest curves of the classes that have one; None where none has."""
    curves = (ranking.roc_curve for ranking in ranked)
    areas = [curve.area for curve in curves if curve is not None]
    return float(np.mean(areas)) if areas else None


def average_precision_macro(ranked: Sequence[Ranking]) -> float:
    """Mean over the classes that have examples."""
    found = (ranking.average_precision for ranking in ranked)
    return float(np.mean([each for each in found if each is not None]))


def top_accuracy(outputs: Tensor, targets: Tensor, most: int = TOP) -> float | None:
    """Share of examples whose true class is among the `most` with the greatest outputs; None where every class is.

    outputs: (examples, classes). Of equal outputs the first counts as the greater, as it does for `argmax`.
    """
    classes = outputs.shape[1]
    if classes <= most:
        return None
    values, labels = outputs.detach().cpu(), targets.detach().cpu()[:, None]
    own = values.gather(1, labels)
    ahead = (values > own) | ((values == own) & (torch.arange(classes) < labels))
    return float((ahead.sum(dim=1) < most).double().mean())


@dataclass(frozen=True, slots=True, eq=False)
class OneClass:
    """Measures of one class against the rest; a ratio with nothing below the line is 0, and None is not defined."""

    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None
    average_precision: float | None

    @classmethod
    def of(cls, predictions: Predictions, index: int) -> "OneClass":
        """Of class `index`. Nothing is defined where no example is of it."""
        true, said = (predictions.targets == index).numpy(), (predictions.predicted == index).numpy()
        support, count, hits = int(true.sum()), int(said.sum()), int((true & said).sum())
        if not support:
            return cls(None, None, None, None, None)
        ranking = Ranking.of(predictions, index)
        curve = ranking.roc_curve
        return cls(
            precision=hits / count if count else 0.0,
            recall=hits / support,
            f1=2 * hits / (support + count),
            roc_auc=None if curve is None else curve.area,
            average_precision=ranking.average_precision,
        )


@dataclass(frozen=True, slots=True, eq=False)
class AtThreshold:
    """What it gives on a split to say of an example that it is of a class where its probability is at least a threshold:
    float64 (thresholds,), NaN where it is not defined."""

    recall: Floats
    precision: Floats

    @classmethod
    def of(cls, predictions: Predictions, index: int, thresholds: Floats) -> "AtThreshold":
        """Of class `index`, at each of the thresholds."""
        scores, true = predictions.probabilities[:, index].numpy(), (predictions.targets == index).numpy()
        hits, said = _at_least(scores[true], thresholds), _at_least(scores, thresholds)
        support = np.full(len(thresholds), int(true.sum()))
        return cls(_share(hits, support), _share(hits, said))


def class_thresholds(predictions: Predictions, index: int, most: int = THRESHOLDS) -> Floats:
    """The probabilities of the examples of class `index`, the highest first and equal ones once: between two of them no
    threshold finds more. Of more than `most`, so many evenly spread.
    """
    scores = predictions.probabilities[:, index].numpy()[(predictions.targets == index).numpy()]
    distinct: Floats = np.unique(scores)[::-1]
    if len(distinct) <= most:
        return distinct
    kept: Floats = distinct[np.linspace(0, len(distinct) - 1, most).round().astype(int)]
    return kept


def _at_least(scores: Floats, thresholds: Floats) -> Integers:
    """How many scores are not below each threshold."""
    return np.asarray(len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left"))


def _share(above: Integers, below: Integers) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))


# Agreement of predictions and truth beyond what chance would give, from counts (true class, predicted class).


def matthews(confusion: Integers) -> float:
    """Matthews' correlation coefficient of several classes, -1 to 1; 0 where truth or predictions are of one class.

    R_K of Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, 2004.
    """
    counts = confusion.astype(np.float64)
    true, predicted, examples = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    spread = (examples**2 - true @ true) * (examples**2 - predicted @ predicted)
    covariance = np.trace(counts) * examples - true @ predicted
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0


def kappa(confusion: Integers) -> float | None:
    """Agreement beyond chance over the most that there could be; None where truth and predictions are of the same class.

    Cohen, A coefficient of agreement for nominal scales, 1960, equation 1.
    """
    counts = confusion.astype(np.float64)
    examples = counts.sum()
    observed = np.trace(counts) / examples
    by_chance = counts.sum(axis=1) @ counts.sum(axis=0) / examples**2
    return float((observed - by_chance) / (1 - by_chance)) if by_chance < 1 else None


def accuracies(predicted: Tensor, targets: Tensor) -> tuple[float, float]:
    """Accuracy, and balanced accuracy: the mean recall of the classes that have examples.

    predicted, targets: int64 (examples,). Cheap enough for every epoch.
    """
    correct = predicted == targets
    support = torch.bincount(targets)
    recall = torch.bincount(targets[correct], minlength=len(support)).double() / support
    return float(correct.double().mean()), float(recall[support > 0].mean())


def cross_entropy(predictions: Predictions) -> float:
    """Mean negative logarithm, in nats, of the true class's probability. Unlike scikit-learn's, not clipped."""
    return float(0 - predictions.log_likelihoods.mean())


def brier_score(predictions: Predictions) -> float:
    """Mean over examples of the sum over classes of (probability - truth) squared, 0 to 2 (Brier 1950, equation 2)."""
    probabilities = predictions.probabilities
    true = probabilities.gather(1, predictions.targets[:, None]).squeeze(1)
    squares = torch.linalg.vector_norm(probabilities, dim=1).square()
    others = (squares - true.square()).clamp(min=0)  # a sum of squares: only rounding takes it below 0
    return float((others + (1 - true).square()).mean())


def expected_calibration_error(predictions: Predictions, bins: int = CALIBRATION_BINS) -> float:
    """Mean gap between confidence and accuracy over equal-width bins of the largest probability, 0 to 1.

    Guo et al., On calibration of modern neural networks, ICML 2017, equation 3; bin m is ((m - 1) / bins, m / bins].
    """
    confidence = predictions.probabilities.amax(dim=1).numpy()
    correct = (predictions.predicted == predictions.targets).numpy()
    edges = np.linspace(0.0, 1.0, bins + 1)
    gaps = np.bincount(np.searchsorted(edges, confidence), weights=correct - confidence)
    return float(np.abs(gaps).sum() / len(predictions))


def _ratio(above: Integers, below: Integers) -> Floats:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)


def _corners(x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Which points of a line are ends or lie off the straight line between their neighbours."""
    dx, dy = np.diff(x), np.diff(y)
    bends = dx[:-1] * dy[1:] != dx[1:] * dy[:-1]
    return np.concatenate([[True], bends, [True]])
