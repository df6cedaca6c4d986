"""One trial of a results directory in a notebook: its row, and its net."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.plan.prepare import data_location
from orchestrator.results.trial_log import find_trial
from orchestrator.results.trial_net import find_trial_with_net, open_net
from orchestrator.store.local_path import local_path
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import every_trial, open_journal

if TYPE_CHECKING:
    from trainables.stages.trial_net import TrialNet


class Trial:
    """A trial, whatever became of it."""

    def __init__(self, paths: ResultsPaths, prefix: str) -> None:
        """Raises UserError where no trial's id begins so, or those of several do."""
        self._paths = paths
        with closing(open_journal(paths)) as journal:
            self.trial_id = find_trial(journal, prefix)

    @property
    def row(self) -> pd.Series:
        """Its row, as the tables of trials had it when they were written last. Raises KeyError where they lack it still."""
        rows: pd.DataFrame = every_trial(self._paths).to_pandas()
        found = rows[rows["trial_id"] == self.trial_id]
        if found.empty:
            raise KeyError(self.trial_id)
        return pd.Series(found.iloc[0])

    def model(self, data: str | Path | None = None) -> "TrialNet":
        """Its net on the CPU, with its preprocessing and the names of its classes; torch is imported only now.

            found = load("results/demo").trial("3fa9").model()
            found.predict(["seven.png"]).labels

        data: the data folder, for what only a data set tells (of clips and of numbers to predict); else that of ORCH_DATA.
        Raises UserError where the trial has not completed or its net was not kept, DamagedResults where it is not what the
        trial has left.
        """
        location = data_location(None if data is None else local_path(data), None)
        return open_net(find_trial_with_net(self._paths, self.trial_id), location)

    def __repr__(self) -> str:
        return f"<trial {self.trial_id} in {self._paths.root}>"
