"""What a trial is most confidently wrong about: `orch results RESULTS --wrong TRIAL`."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.errors import OrchError, UserError
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.parts import Answered, PartTrial
from orchestrator.store.predictions.reading import (
    examples_of,
    predicted_trials,
    predictions_of,
    refuse_other_length,
)
from orchestrator.store.reading import every_trial, table_of
from results_schema import CLASSES

SHOWN: Final = 20
"""Examples that are shown where nobody says how many."""
_NAMED: Final = 6
"""Ids that a hint lists."""


@dataclass(frozen=True, slots=True)
class WrongExamples:
    """What one trial is wrong about, the most confident first."""

    trial_id: str
    split_id: str
    examples: int
    """In the test split."""
    positions: NDArray[np.int64]
    """(wrong examples,), in the test split; and so are the next four."""
    sources: pa.ChunkedArray
    targets: NDArray[np.float32]
    predicted: NDArray[np.float32]
    probability: NDArray[np.float32] | None
    """Of the true class; None where numbers are predicted."""
    classes: Mapping[int, str]
    """Names of classes by label; none where numbers are predicted."""

    @property
    def count(self) -> int:
        return len(self.positions)

    def table(self, limit: int | None) -> pa.Table:
        """As rows, the first `limit` where there is one."""
        rows = slice(limit)
        values: dict[str, Any] = {
            "position": self.positions[rows],
            "source": self.sources.slice(0, limit),
            "target": self._named(self.targets[rows]),
            "predicted": self._named(self.predicted[rows]),
        }
        if self.probability is not None:
            values["probability"] = self.probability[rows].astype(float)
        return pa.table(values)

    def name(self, label: float) -> str:
        """Of a class, or the number itself."""
        return self.classes.get(int(label), f"{label:g}") if self.classes else f"{label:g}"

    def _named(self, labels: NDArray[np.float32]) -> Any:
        return [self.name(label) for label in labels.tolist()] if self.classes else labels.astype(float)


def trial_with_predictions(paths: ResultsPaths, prefix: str) -> str:
    """The trial whose id begins so. Raises UserError where none or several do, or it has no predictions, DamagedResults."""
    wanted = prefix.strip().lower()
    there = predicted_trials(paths)
    found = sorted(trial_id for trial_id in there if trial_id.startswith(wanted))
    if len(found) == 1 or wanted in there:
        return wanted if wanted in there else found[0]
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise UserError(
            f"{len(found)} trials begin with {prefix!r}: {', '.join(found[:_NAMED])}{more}; give more digits"
        )
    for row in every_trial(paths).select(["trial_id", "status"]).to_pylist():
        if row["trial_id"].startswith(wanted):
            raise UserError(
                f"no predictions are kept for trial {row['trial_id']}, which is {row['status']}: an older orch ran it, or"
                " `keep_predictions: false` holds, or its task keeps none, or a running sweep has still to write them"
            )
    raise UserError(f"no trial's id begins with {prefix!r}; `orch results RESULTS` lists them")


def wrong_examples(paths: ResultsPaths, trial_id: str) -> WrongExamples:
    """trial_id: of one with predictions. Raises DamagedResults."""
    trial, answered = next(predictions_of(paths, [trial_id]))
    examples = examples_of(paths, [trial.split_id])
    refuse_other_length(trial, examples.num_rows)
    return _wrong(trial, answered, examples, _class_names(paths, trial_id))


def _wrong(trial: PartTrial, answered: Answered, examples: pa.Table, classes: Mapping[int, str]) -> WrongExamples:
    targets, probability = examples["target"].to_numpy(), answered.probability
    missed = np.abs(answered.predicted - targets)
    wrong = np.flatnonzero(missed > 0)
    confidence = -missed[wrong] if probability is None else probability[wrong]
    order = wrong[np.argsort(confidence, kind="stable")]
    return WrongExamples(
        trial.trial_id,
        trial.split_id,
        trial.examples,
        order,
        examples["source"].take(pa.array(order)),
        targets[order],
        answered.predicted[order],
        None if probability is None else probability[order],
        {} if probability is None else classes,
    )


def _class_names(paths: ResultsPaths, trial_id: str) -> dict[int, str]:
    """By label; none where the table cannot tell."""
    with suppress(OrchError):
        rows = table_of(paths, CLASSES).filter(pc.equal(pc.field("trial_id"), trial_id))
        return dict(zip(rows["class_index"].to_pylist(), rows["class_name"].to_pylist(), strict=True))
    return {}
