"""The parts of a page, each computed from the tables when it is first asked for: a figure needs one of them."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import pandas as pd

from orchestrator.evidence.pictures import KeptPictures
from orchestrator.evidence.selection import SCORES, is_open, measures_of
from orchestrator.report import breakdowns, charts, tables
from orchestrator.report.charts import axis_effects, cell_figures, rank_figures
from orchestrator.report.claims import ClaimSection, claim_section
from orchestrator.report.page import Board
from orchestrator.report.page_data import Breakdowns, Cells, Curves, Effects, RankFigure
from orchestrator.report.precision_recall import CLASS_COLUMNS, PrecisionRecall, precision_recall
from orchestrator.results.asked import asked_columns, measures_asked
from orchestrator.results.per_class import majorities
from orchestrator.results.ranked import COSTS, class_counts, ranked_cells
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from results_schema import CLASSES, CURVES, ENVIRONMENTS, EVALUATION
from trainables import AXES

_TRIAL_COLUMNS: Final = [
    "trial_id",
    "cell_id",
    "purpose",
    "tuned",
    "repetition",
    "sweep",
    "planned",
    *AXES,
    "seed",
    "status",
    "reason",
    "epochs",
    "best_epoch",
    "stuck",
    *SCORES,
    *COSTS,
]


class Parts:
    """What the tables of one results directory say. Raises UserError, DamagedResults without the table of trials."""

    def __init__(self, paths: ResultsPaths, measure: str | None = None) -> None:
        """measure: what cells are ranked by and show, in place of what the grid selects by (`asked.measures_asked`).

        Raises UserError also where there is no such measure, or no trial has it.
        """
        self.paths = paths
        self.asked = measure is not None
        """Whether cells are ranked by another measure than the grid selects by."""
        self.tables = TablesRead(paths)
        every = self.tables.every_trial([*_TRIAL_COLUMNS, *([] if measure is None else asked_columns(measure))])
        every["planned"] = every["planned"].fillna(False).astype(bool)
        if every["planned"].any():
            self.unplanned, self.every = every[~every["planned"]], every[every["planned"]]
        else:
            self.unplanned, self.every = every[:0], every
        planned = self._of(EVALUATION)
        self.under_way = is_open(planned["status"])
        """Whether trials have still to run: then nothing of the test split is shown."""
        self.measures = measures_of(planned) if measure is None else measures_asked(planned, measure, paths)
        """Of each data set."""
        self.left_out = [str(name) for name in planned["dataset"].unique() if str(name) not in self.measures]
        """Data sets of which no trial has the measure."""
        self.every = self.every[~self.every["dataset"].isin(self.left_out)]
        self.trials, self.tuning = self._of(EVALUATION), self._of("tuning")

    def _of(self, purpose: str) -> pd.DataFrame:
        return self.every[self.every["purpose"].fillna(EVALUATION) == purpose]

    @property
    def damage(self) -> list[str]:
        """One line for each table that was found damaged so far."""
        return self.tables.damage

    @property
    def sweep(self) -> str:
        return str(self.trials["sweep"].iloc[-1]) if len(self.trials) else self.paths.root.name

    @cached_property
    def ranked(self) -> pd.DataFrame:
        pictures = KeptPictures(self.paths)
        found = ranked_cells(self.trials, class_counts(self.trials, self.tables), pictures, self.measures)
        self.tables.damage += pictures.damage
        return found

    @cached_property
    def cells(self) -> Cells:
        return cell_figures(self.trials, self.ranked, self.measures)

    @cached_property
    def boards(self) -> tuple[Board, ...]:
        return tables.boards(self.ranked, self.measures, tuple(majorities(self.ranked, self.trials, self.tables)))

    @cached_property
    def curves(self) -> Curves:
        epochs = self.tables.epochs([*charts.EPOCH_COLUMNS, *charts.epochs_selected(self.measures)])
        return charts.learning_curves(self.trials, self.ranked, epochs, self.measures)

    @cached_property
    def effects(self) -> tuple[Effects, ...]:
        return () if self.under_way else axis_effects(self.trials, self.measures)

    @cached_property
    def ranks(self) -> tuple[RankFigure, ...]:
        return () if self.under_way else rank_figures(self.trials, self.measures)

    @cached_property
    def environments(self) -> pd.DataFrame:
        return self.tables.wanted(ENVIRONMENTS, ENVIRONMENTS.columns)

    @cached_property
    def claims(self) -> tuple[ClaimSection | None, str | None]:
        """The claims, or why they cannot be judged."""
        return claim_section(self.paths, self.environments["grid"].dropna(), under_way=self.under_way)

    @cached_property
    def classes(self) -> dict[str, tuple[tuple[int, ...], tuple[str, ...]]]:
        """Of each data set that has classes and a completed trial, their indices and names."""
        done = self.trials[self.trials["status"] == "completed"]
        first = list(done.groupby("dataset", sort=False)["trial_id"].first()) if len(done) else []
        of_first = self.tables.wanted(CLASSES, breakdowns.CLASS_COLUMNS, [("trial_id", "in", first)])
        return breakdowns.classes_of(self.trials, of_first)

    @cached_property
    def broken_down(self) -> list[int]:
        """Places in `ranked` of the cells that a page shows class by class."""
        return breakdowns.cells_kept(
            self.ranked, {dataset: len(indices) for dataset, (indices, _) in self.classes.items()}
        )

    def breakdowns(self, places: Sequence[int], most: int = breakdowns.CURVES_KEPT) -> Breakdowns:
        """Of the cells in these places. The tables of classes and curves are large: only the rows of these are read.

        most: classes of a cell whose ROC curves are there, those with the smallest areas.
        """
        return breakdowns.breakdowns(self.trials, self.ranked, places, self.classes, self._curves(places), most)

    def precision_recall(self, place: int) -> tuple[PrecisionRecall, ...]:
        """Of each class of the cell in this place of `ranked`; none where no curve is kept of it."""
        shown = self._completed([place])
        classes = self.tables.wanted(CLASSES, CLASS_COLUMNS, [("trial_id", "in", shown)])
        indices, _ = self.classes[str(self.ranked["dataset"].iloc[place])]
        return precision_recall(self._curves([place]), classes, indices)

    def _curves(self, places: Sequence[int]) -> pd.DataFrame:
        return self.tables.wanted(CURVES, breakdowns.CURVE_COLUMNS, [("trial_id", "in", self._completed(places))])

    def _completed(self, places: Sequence[int]) -> list[str]:
        """Ids of the completed trials of the cells in these places."""
        done = self.trials[self.trials["status"] == "completed"]
        return list(done.loc[done["cell_id"].isin(self.ranked["cell_id"].iloc[list(places)]), "trial_id"])
