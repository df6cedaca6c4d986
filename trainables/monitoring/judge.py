"""Whether a window of pictures is an alarm, what it costs, and what is known of it besides."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from trainables.measurements._drifting import Watch
from trainables.measurements._stream import autocorrelation
from trainables.measurements.drift import HARMLESS
from trainables.monitoring.reference import Reference, looked_at
from trainables.monitoring.row import MonitorRow
from trainables.monitoring.window import NO_LABEL, UNKNOWN, Window


@dataclass(frozen=True, slots=True)
class Run:
    """Whose windows are numbered from 1."""

    started_at: datetime
    images: str


def judged(window: Window, number: int, reference: Reference, run: Run) -> Iterator[MonitorRow]:
    """A row for each detector."""
    facts = _Facts.of(window, reference)
    for watch in reference.watches:
        statistic, p, reason = _compared(window, watch, reference)
        alarm = facts.not_finite > 0 or (statistic is not None and statistic > watch.threshold)
        yield MonitorRow(
            started_at=run.started_at,
            window=number,
            detector=watch.detector.name,
            images=run.images,
            judged_at=datetime.now(UTC),
            first=window.first,
            last=window.last,
            first_image=window.first_image,
            last_image=window.last_image,
            n=window.n,
            unreadable=window.unreadable,
            distinct=window.distinct,
            statistic=statistic,
            threshold=watch.threshold,
            p=p,
            alpha=reference.alpha,
            alarm=alarm,
            harmless=facts.harmless(reference) if alarm else None,
            estimated_accuracy=facts.estimated,
            labelled=facts.labelled,
            accuracy=facts.accuracy,
            reference_n=reference.n,
            reference_accuracy=reference.estimate.accuracy,
            autocorrelation=facts.autocorrelation,
            changed_class=None if facts.changed is None else reference.classes[facts.changed],
            changed_share=facts.changed_share,
            reference_share=None if facts.changed is None else float(reference.shares[facts.changed]),
            other_aspect=window.other_aspect,
            other_channels=window.other_channels,
            reason=reason,
        )


def _compared(window: Window, watch: Watch, reference: Reference) -> tuple[float | None, float | None, str | None]:
    """Statistic and p; else why there are none."""
    name = watch.detector.name
    if strange := window.said.not_finite:
        return None, None, f"of {strange:,} of the {window.n:,} pictures the net says what is not finite"
    if name == "labels" and (without := int((window.labels == NO_LABEL).sum())):
        return None, None, f"{without:,} of the {window.n:,} pictures have no label"
    labels = np.where(window.labels == UNKNOWN, len(reference.classes), window.labels)
    statistics = watch.detector.statistics(looked_at(name, window.said, labels), np.arange(window.n)[None])
    return float(statistics[0]), float(watch.null.p_values(statistics)[0]), None


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is the same for all detectors."""

    not_finite: int
    estimated: float | None
    labelled: int
    accuracy: float | None
    autocorrelation: float | None
    changed: int | None
    """The predicted class whose share has changed most."""
    changed_share: float | None
    every_label: bool
    mostly_different: bool
    """Whether half of the pictures are others: of one alone, again and again, nobody can say what it costs."""

    @classmethod
    def of(cls, window: Window, reference: Reference) -> "_Facts":
        labelled = window.labels != NO_LABEL
        strange = window.said.not_finite
        probabilities = window.said.probabilities
        answers = probabilities.argmax(axis=1)
        shares = np.bincount(answers, minlength=len(reference.classes)) / window.n
        changed = int(np.abs(shares - reference.shares).argmax())
        return cls(
            strange,
            None if strange else reference.estimate.estimate(probabilities),
            int(labelled.sum()),
            float((answers == window.labels)[labelled].mean()) if labelled.any() else None,
            None if strange else autocorrelation(probabilities).lag_1,
            None if strange else changed,
            None if strange else float(shares[changed]),
            bool(labelled.all()),
            2 * window.distinct > window.n,
        )

    def harmless(self, reference: Reference) -> bool:
        known = self.accuracy if self.every_label else self.estimated
        if self.not_finite or known is None or not self.mostly_different:
            return False
        return reference.estimate.accuracy - known <= HARMLESS
