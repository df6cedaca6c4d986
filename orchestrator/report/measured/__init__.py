"""What measurements have found out, as sections of the page: a file each."""

from collections.abc import Callable, Iterator
from typing import Final

import pandas as pd

from orchestrator.report.measured.attacks import attacks
from orchestrator.report.measured.corruptions import corruptions
from orchestrator.report.measured.drift import drift
from orchestrator.report.measured.explanations import explanations
from orchestrator.report.measured.groups import groups
from orchestrator.report.measured.prequential import prequential
from orchestrator.report.measured.section import Section
from orchestrator.report.measured.updates import retraining, retraining_by_block
from orchestrator.store.frames import TablesRead

Make = Callable[[TablesRead, pd.DataFrame], Section | None]
_SECTIONS: Final[tuple[Make, ...]] = (
    groups,
    corruptions,
    attacks,
    explanations,
    drift,
    prequential,
    retraining,
    retraining_by_block,
)


def sections(tables: TablesRead, trials: pd.DataFrame) -> Iterator[Section]:
    """trials: those that evaluate. One for each kind of measurement that has found out anything about them."""
    completed = trials[trials["status"] == "completed"]
    return filter(None, (make(tables, completed) for make in _SECTIONS))


__all__ = ["Section", "sections"]
