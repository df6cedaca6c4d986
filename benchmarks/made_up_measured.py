"""What measurements would have found out about trials that are made up: as many rows as the real ones keep."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from orchestrator.grid.measurements import label_of
from results_schema import CellRow
from trainables.columns import Headlines
from trainables.component import Component
from trainables.data.shifts.corruptions import CORRUPTIONS
from trainables.interfaces import Measurement
from trainables.measurements._explanation_rows import ExplanationHeadlines, ExplanationRow, ExplanationTables
from trainables.measurements.attack import Attack, AttackHeadlines, AttackRow, AttackTables
from trainables.measurements.corrupt import CLEAN, Corrupt, CorruptionHeadlines, CorruptionRow, CorruptionTables
from trainables.measurements.drift import Drift, DriftHeadlines, DriftRow, DriftTables
from trainables.measurements.explain import Explain
from trainables.measurements.groups import GroupHeadlines, GroupRow, Groups, GroupTables
from trainables.records import Breakdown, TrialResult
from trainables.spec import measurement_identity, trial_identity

MEASUREMENTS: Final[tuple[Measurement, ...]] = (Corrupt(), Attack(), Groups(), Explain(), Drift())
_PARTS: Final = 5
"""Of each slice."""
_CLUSTERS: Final = 8
"""Of each answer, as many as there are at most."""


@dataclass(frozen=True, slots=True)
class MeasuredCell:
    """A measurement of the trials of a cell."""

    of: CellRow
    measurement: Measurement

    @property
    def identity(self) -> bytes:
        return measurement_identity(bytes.fromhex(self.of.cell_id), self.measurement.digest())

    def row(self) -> CellRow:
        return replace(
            self.of,
            cell_id=self.identity.hex(),
            measurement=label_of(self.measurement),
            measurement_config=_json(self.measurement),
        )

    def trial_id(self, seed: int) -> str:
        return trial_identity(self.identity, seed)

    def result(self, trained: TrialResult, accuracy: float, classes: tuple[str, ...]) -> TrialResult:
        """trained: what the trial came to that is measured."""
        tables, headlines = _found(self.measurement.name, accuracy, classes)
        return replace(
            trained, epochs=0, best_epoch=None, train=None, val=None, test=None, breakdown=tables, headlines=headlines
        )


def _json(component: Component) -> str:
    return json.dumps({"name": component.name, **component.parameters()})


def _found(name: str, accuracy: float, classes: tuple[str, ...]) -> tuple[Breakdown, Headlines]:
    match name:
        case "corrupt":
            corrupted = tuple(_corruptions(accuracy))
            return CorruptionTables(corruptions=corrupted), CorruptionHeadlines(
                float(np.mean([row.accuracy for row in corrupted]))
            )
        case "attack":
            return AttackTables(attacks=tuple(_attacks(accuracy))), AttackHeadlines(accuracy / 2)
        case "groups":
            return GroupTables(groups=tuple(_groups(accuracy, classes))), GroupHeadlines(accuracy - 0.1)
        case "explain":
            return ExplanationTables(explanations=tuple(_explanations(accuracy))), ExplanationHeadlines(accuracy / 3)
        case "drift":
            return DriftTables(drift=tuple(_drift(accuracy))), DriftHeadlines(0.05, 1.0)
    raise AssertionError(f"nobody has made up what {name} finds")


def _corruptions(accuracy: float) -> Iterator[CorruptionRow]:
    yield CorruptionRow(CLEAN, 0, 1000, accuracy, 1.0, 1 - accuracy, 0.02)
    for place, corruption in enumerate(CORRUPTIONS):
        for severity in range(1, 6):
            left = accuracy * (1 - 0.02 * severity - 0.003 * place)
            yield CorruptionRow(corruption, severity, 1000, left, (1 - left) / (1 - accuracy), 1.2 - left, 0.05)


def _attacks(accuracy: float) -> Iterator[AttackRow]:
    yield AttackRow("clean", 0.0, 1000, accuracy)
    for eps in (0.05, 0.1):
        for share, method in ((0.99, "random"), (0.8, "fgsm"), (0.5, "pgd")):
            left = accuracy * share * (1 - eps)
            yield AttackRow(method, eps, 1000, left, None if method == "random" else True)


def _groups(accuracy: float, classes: tuple[str, ...]) -> Iterator[GroupRow]:
    parts = [("class", name) for name in classes]
    for number in ("brightness", "contrast", "confidence", "distance"):
        parts += [(number, f"{part} of {_PARTS}") for part in range(1, _PARTS + 1)]
    for name in classes:
        parts += [("clusters", f"answered {name}, cluster {part} of {_CLUSTERS}") for part in range(1, _CLUSTERS + 1)]
    for place, (by, part) in enumerate(parts):
        own = accuracy - 0.004 * (place % 50)
        p = None if by == "class" else min(1.0, 0.002 * place)
        recall = own if by == "class" else None
        ends = own - 0.02, own + 0.02
        yield GroupRow(
            by=by,
            part=part,
            n=1000,
            accuracy=own,
            accuracy_low=ends[0],
            accuracy_high=ends[1],
            recall_macro=recall,
            p=p,
        )


def _explanations(accuracy: float) -> Iterator[ExplanationRow]:
    for place, method in enumerate(("random", "centre", *Explain().methods)):
        gain = 0.05 * place * accuracy
        yield ExplanationRow(
            method=method,
            n=200,
            baseline="mean",
            deletion=0.5 - gain,
            insertion=0.5 + gain,
            deletion_gain=gain,
            deletion_gain_error=0.01,
            similarity=0.2,
            seconds=1.0,
        )


def _drift(accuracy: float) -> Iterator[DriftRow]:
    shifts = [("none", 0), *((shift, severity) for shift in list(CORRUPTIONS)[:5] for severity in (1, 3))]
    for detector in ("bbsd", "mmd", "confidence"):
        for window in (50, 200):
            for shift, severity in shifts:
                yield DriftRow(
                    detector=detector,
                    window=window,
                    shift=shift,
                    severity=severity,
                    n=1000,
                    accuracy=accuracy - 0.02 * severity,
                    false_alarms=0.05,
                    power=None if shift == "none" else 0.9,
                    median_delay=float(window),
                    harm=0.02 * severity,
                    harmless=severity == 0,
                )
