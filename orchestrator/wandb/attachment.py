"""What a run may have beside its rows: the weights that its trial kept, and an alert. Knows no tracker."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from orchestrator.store.paths import ResultsPaths
from orchestrator.wandb.runs import Run
from results_schema import RETRYABLE

_LONGEST_NAME: Final = 128
_LONGEST_TITLE: Final = 63
_LONGEST_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Origin:
    """Weights that a trial began with."""

    name: str
    """Of the artifact that stands for them: one for each content."""
    weights: str
    """The file's name, or that of published weights."""
    content: str
    """Their digest."""


@dataclass(frozen=True, slots=True)
class Model:
    """Kept weights, as a version of what all trials of a data set make."""

    collection: str
    weights: Path
    about: dict[str, Any]
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class Alert:
    """What W&B tells the user of a run, by mail or Slack."""

    title: str
    text: str
    level: Literal["INFO", "WARN", "ERROR"]


def model_of(run: Run, trial_id: str, paths: ResultsPaths) -> Model | None:
    """Return the trial's weights as an artifact; None where it kept none."""
    weights = paths.weights(trial_id)
    if not weights.is_file():
        return None
    shown = (
        "status",
        "best_epoch",
        *(name for name in run.summary if name.startswith(("val_", "test_", "parameters"))),
    )
    about = {name: run.summary[name] for name in shown if name in run.summary}
    return Model(collection_of(run), weights, {"trial_id": trial_id, "run": run.name, **about}, origin_of(run))


def collection_of(run: Run) -> str:
    """Name the collection of a data set of a sweep: `best` is the best of it."""
    name = f"{run.config['sweep']}-{run.config['dataset_label']}"
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[: _LONGEST_NAME - 9]}-{run.config['results_id']}"


def collection_in(version: str) -> str:
    return version.rpartition(":")[0]


def origin_of(run: Run) -> Origin | None:
    """Return where a trial's first weights came from; None where they were freshly initialised."""
    weights, content = run.config.get("model.weights"), run.config.get("model.content")
    if not isinstance(weights, str) or not isinstance(content, str) or weights == "none":
        return None
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"pretrained-{content}")[:_LONGEST_NAME]
    return Origin(name, Path(weights).name, content)


def failure_alert(run: Run) -> Alert | None:
    """Make the alert of a failed trial; None where it has not failed."""
    if run.summary.get("status") not in RETRYABLE:
        return None
    text = f"{run.name}: {run.summary.get('reason') or run.summary['status']}"
    return Alert(f"{run.config['sweep']}: a trial has {_words(run)}"[:_LONGEST_TITLE], text[:_LONGEST_TEXT], "ERROR")


def end_alert(counts: Mapping[str, int], sweep: str, best: str) -> Alert:
    """counts: trials by status. best: who comes first, in words."""
    counted = ", ".join(f"{count} {status}" for status, count in counts.items())
    level: Literal["INFO", "WARN"] = "WARN" if RETRYABLE & counts.keys() else "INFO"
    text = f"{sum(counts.values())} trials: {counted}.{f' {best}' if best else ''}"
    return Alert(f"{sweep}: the sweep has ended"[:_LONGEST_TITLE], text[:_LONGEST_TEXT], level)


def _words(run: Run) -> str:
    words = {"failed": "failed", "timed_out": "timed out", "out_of_memory": "run out of memory"}
    return words[str(run.summary["status"])]
