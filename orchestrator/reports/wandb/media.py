"""What a trial has to show beside its numbers: confusion matrix, ROC curves, a picture. Knows no tracker."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.store.files import strange
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths

MOST_CLASSES: Final = 50
"""More make a matrix that nobody reads; the tables have them all."""
ROC_CLASSES: Final = 20
ROC_POINTS: Final = 21
PICTURE_SIDE: Final = 512
"""Pixels."""


@dataclass(frozen=True, slots=True)
class Media:
    """Of one run; empty where it has none."""

    confusion: tuple[tuple[str, str, int], ...] = ()
    """True class, predicted class, count; counts of zero too."""
    roc: tuple[tuple[str, float, float], ...] = ()
    """Class, false positive rate, true positive rate."""
    picture: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.confusion or self.roc or self.picture)


def read_media(journal: Journal, trial_id: str, paths: ResultsPaths) -> Media:
    """Of a trial that has finished."""
    names = dict(journal.query("SELECT class_index, class_name FROM classes WHERE trial_id = ?", (trial_id,)))
    picture = paths.picture(trial_id)
    return Media(
        confusion=_confusion(journal, trial_id, names) if len(names) <= MOST_CLASSES else (),
        roc=_roc(journal, trial_id, names) if len(names) <= ROC_CLASSES else (),
        picture=picture if picture.is_file() and strange(picture) is None else None,
    )


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
