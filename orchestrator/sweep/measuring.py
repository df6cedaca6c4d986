"""`orch measure RESULTS NAME`: measurements of trials that have ended, by the grid that their sweep has recorded."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Final

from clusters.yaml_file import NotYaml, parse
from orchestrator.errors import UserError
from orchestrator.grid import GridSpec
from orchestrator.grid.measurements import measurement
from orchestrator.grid.mistakes import Mistakes
from orchestrator.plan.plan import Plan
from orchestrator.plan.updating import stream_measurement
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import journal_to_read
from orchestrator.sweep.left_behind import left_behind
from trainables.errors import TrainablesError, first_line
from trainables.interfaces import Measurement

_MAX_VALUES: Final = 1_000
"""Of what is written on a command line."""


def recorded_grid(paths: ResultsPaths) -> str:
    """The grid file of the latest sweep here, as it was. Raises UserError where nothing has been swept here."""
    if journal_to_read(paths).exists():
        with closing(Journal.read(journal_to_read(paths))) as journal:
            for (text,) in journal.query("SELECT grid FROM environments ORDER BY started_at DESC, rowid DESC LIMIT 1"):
                return str(text)
    raise UserError(f"{paths.root} holds no trials to measure; `orch sweep GRID` makes some")


def asked_for(text: str) -> Measurement:
    """`corrupt`, or `{name: corrupt, severities: [5]}`. Raises UserError."""
    try:
        return measurement(parse(text, max_values=_MAX_VALUES))
    except Mistakes as wrong:
        said = next(iter(wrong.found)).message
        raise UserError(f"{text}: {said if isinstance(said, str) else said()}") from None
    except NotYaml as wrong:
        raise UserError(f"{text}: {wrong.message}") from None
    except TrainablesError as wrong:
        raise UserError(f"{text}: {first_line(str(wrong))}") from wrong


def with_measurements(grid: GridSpec, paths: ResultsPaths, wanted: Sequence[Measurement]) -> GridSpec:
    """The grid with these too, and with those that were asked for before: what it no longer names is an earlier grid's.
    What is measured along a stream alone, for the section `update`, is of no other trial.
    """
    along = stream_measurement(grid)
    with closing(Journal.read(journal_to_read(paths))) as journal:
        before = (one for one in _planned(journal) if one != along)
        every = {one.digest(): one for one in (*grid.measure, *before, *wanted)}
    return grid.model_copy(update={"measure": tuple(every.values())})


def _planned(journal: Journal) -> Iterator[Measurement]:
    rows = journal.query(
        "SELECT DISTINCT measurement_config FROM cells JOIN trials USING (cell_id)"
        " WHERE planned AND measurement_config IS NOT NULL ORDER BY trials.rowid"
    )
    return (measurement(json.loads(text)) for (text,) in rows)


def _refuse_another_grid(plan: Plan, journal: Journal) -> None:
    """Raise UserError where the grid names other trials than the latest sweep's: to measure is to change no plan."""
    if behind := left_behind(plan, journal, of_latest=True):
        raise UserError(
            f"{plan.grid.name} is another grid than that of the results: {behind[0].text}; without --grid they are measured"
            " by the one that the latest sweep has recorded"
        )


def to_measure(plan: Plan, journal: Journal, wanted: Sequence[Measurement], *, recorded: bool) -> frozenset[str]:
    """Ids of these measurements of all trials that have completed. recorded: whether the plan is of the grid that the
    latest sweep has recorded. Raises UserError where there is none, where another grid names other trials, or where none of
    the data has a column that is measured by.
    """
    if not recorded:
        _refuse_another_grid(plan, journal)
    for lacking in filter(None, map(plan.columns.lacking_everywhere, wanted)):
        raise UserError(lacking)
    statuses = journal.statuses()
    found = frozenset(
        cell.trial_id(seed)
        for cell in plan.cells()
        if cell.measurement in wanted
        for seed in plan.seeds_of(cell)
        if statuses.get(cell.parent_id(seed)) == "completed"
    )
    if not found:
        raise UserError("no trial that trains has completed: there is nothing to measure")
    return found
