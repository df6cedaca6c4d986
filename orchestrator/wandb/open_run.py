"""One run of the W&B SDK that takes rows: while its trial trains, or all at once when that has ended."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import wandb
from wandb.plot.custom_chart import CustomChart

from orchestrator.store.files import irregularity
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.wandb.runs import EXPLANATIONS, SAMPLES, Run
from results_schema import MEASUREMENT

# What a trial has to show beside its numbers: confusion matrix, ROC curves, an image. Knows no tracker.

MAX_CLASSES: Final = 50
"""More make a matrix that nobody reads; the tables have them all."""
ROC_CLASSES: Final = 20
ROC_POINTS: Final = 21
_SIDES: Final = {SAMPLES: 512, EXPLANATIONS: 1024}
"""Pixels of the longer side, at most: a sheet has text in it."""


@dataclass(frozen=True, slots=True)
class Media:
    """Of one run; empty where it has none."""

    confusion: tuple[tuple[str, str, int], ...] = ()
    """True class, predicted class, count; counts of zero too."""
    roc: tuple[tuple[str, float, float], ...] = ()
    """Class, false positive rate, true positive rate."""
    image: Path | None = None
    explained: Path | None = None
    """The sheet of its latest measurement that has kept one."""

    def __bool__(self) -> bool:
        return bool(self.confusion or self.roc or self.image or self.explained)


def read_media(journal: Journal, trial_id: str, paths: ResultsPaths) -> Media:
    """Of a trial that has finished."""
    names = dict(journal.query("SELECT class_index, class_name FROM classes WHERE trial_id = ?", (trial_id,)))
    measured = journal.query(
        f"SELECT trial_id FROM trials WHERE parent_id = ? AND purpose = '{MEASUREMENT}' AND status = 'completed'"
        " ORDER BY finished_at DESC",
        (trial_id,),
    )
    return Media(
        confusion=_confusion(journal, trial_id, names) if len(names) <= MAX_CLASSES else (),
        roc=_roc(journal, trial_id, names) if len(names) <= ROC_CLASSES else (),
        image=_kept(paths, trial_id),
        explained=next(filter(None, (_kept(paths, str(measurement_id)) for (measurement_id,) in measured)), None),
    )


def _kept(paths: ResultsPaths, trial_id: str) -> Path | None:
    image = paths.image(trial_id)
    return image if image.is_file() and irregularity(image) is None else None


def _confusion(journal: Journal, trial_id: str, names: dict[int, str]) -> tuple[tuple[str, str, int], ...]:
    counts = {
        (true, guess): int(count)
        for true, guess, count in journal.query(
            "SELECT class_index, other_index, y FROM curves WHERE trial_id = ? AND curve = 'confusion'", (trial_id,)
        )
    }
    if not counts:
        return ()
    return tuple((names[true], names[guess], counts.get((true, guess), 0)) for true in names for guess in names)


def _roc(journal: Journal, trial_id: str, names: dict[int, str]) -> tuple[tuple[str, float, float], ...]:
    rows = journal.query(
        "SELECT class_index, x, y FROM curves WHERE trial_id = ? AND curve = 'roc' ORDER BY class_index, point",
        (trial_id,),
    )
    curves: dict[int, list[tuple[float, float]]] = {}
    for index, x, y in rows:
        curves.setdefault(index, []).append((x, y))
    return tuple((names[index], x, y) for index, points in curves.items() for x, y in _thinned(points))


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Evenly over their numbers, with both ends."""
    if len(points) <= ROC_POINTS:
        return points
    last = len(points) - 1
    return [points[round(number * last / (ROC_POINTS - 1))] for number in range(ROC_POINTS)]


class OpenRun:
    """Every call may raise whatever the SDK's transport raises; the run is then as good as lost."""

    def __init__(self, tracked: "wandb.Run", begun: Run, there: int) -> None:
        """begun: as which it was begun. there: rows that W&B has already."""
        self.tracked, self._begun = tracked, begun
        self.rows = there
        """Rows that it has been given, those that were there before counted too: one an epoch, in their order."""

    def log(self, run: Run) -> None:
        """Give it the rows that it does not have. Epochs that run again after a failure keep the rows that they have."""
        self._log(run, {})

    def complete(self, run: Run, media: Media) -> None:
        """Give it the rest and end it. Returns when all of it has left."""
        shown = dict(_shown(media))
        # where all rows are there, its files perhaps are not: the summary holds what panels show, and takes no charts
        late = bool(self.rows) and self.rows >= len(run.epochs)
        again = dict(_in_summary(name, value) for name, value in shown.items() if late)
        self._log(run, shown)
        if run.config != self._begun.config:  # its trial has ended since
            self.tracked.config.update(run.config, allow_val_change=True)  # type: ignore[no-untyped-call]
        if run.tags != self._begun.tags:
            self.tracked.tags = run.tags
        self.tracked.summary.update({**run.summary, **again})
        self.tracked.finish(exit_code=0 if run.succeeded else 1)

    def tell(self, run: Run, media: Media) -> None:
        """Give one that has ended what measurements have found out since, and end it again."""
        self.tracked.summary.update({**run.summary, **dict(_images({EXPLANATIONS: media.explained}))})
        self.tracked.finish(exit_code=0 if run.succeeded else 1)

    def leave(self) -> None:
        """Its trial has been stopped, and will go on: W&B is told so, and keeps the run open for more."""
        self.tracked.mark_preempting()
        self.tracked.finish(exit_code=1)

    def _log(self, run: Run, with_last: dict[str, Any]) -> None:
        last = run.epochs[-1][0] if run.epochs else None
        for epoch, values in run.epochs[self.rows :]:
            # committed now: the last epoch would otherwise overwrite the summary, whose scores are the selected epoch's
            self.tracked.log({**values, **(with_last if epoch == last else {})}, step=epoch, commit=True)
        self.rows = max(self.rows, len(run.epochs))


def _in_summary(name: str, shown: Any) -> tuple[str, Any]:
    """Of a chart what it is drawn from, under the name that the SDK gives that."""
    return (f"{name}_table", shown.table) if isinstance(shown, CustomChart) else (name, shown)


def _shown(media: Media) -> Iterable[tuple[str, Any]]:
    if media.confusion:
        names = {"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "nPredictions"}
        table = wandb.Table(columns=list(names), data=[list(row) for row in media.confusion])
        yield "confusion_matrix", wandb.plot_table("wandb/confusion_matrix/v1", table, names, {"title": "Test split"})
    if media.roc:
        names = {"class": "class", "x": "fpr", "y": "tpr"}
        table = wandb.Table(columns=list(names.values()), data=[list(row) for row in media.roc])
        texts = {
            "title": "ROC, test split",
            "x-axis-title": "false positive rate",
            "y-axis-title": "true positive rate",
        }
        yield "roc", wandb.plot_table("wandb/area-under-curve/v0", table, names, texts)
    yield from _images({SAMPLES: media.image, EXPLANATIONS: media.explained})


def _images(named: Mapping[str, Path | None]) -> Iterator[tuple[str, Any]]:
    """Those that can be read: one that cannot is no reason to keep the figures back."""
    from PIL import Image

    for name, path in named.items():
        if path is None:
            continue
        with suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError), Image.open(path) as image:
            image.thumbnail((_SIDES[name],) * 2)
            yield name, wandb.Image(image.convert("RGB"))
