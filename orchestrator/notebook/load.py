"""`orchestrator.load`: a results directory in a notebook."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.errors import UserError
from orchestrator.evidence.judge import judge, latest_text, measured
from orchestrator.evidence.pictures import KeptPictures
from orchestrator.evidence.selection import OWN, SCORES, Measure, measures_of
from orchestrator.evidence.stats.ranks import performance_profile
from orchestrator.evidence.text import as_json, lines_of
from orchestrator.evidence.verdict import Verdict
from orchestrator.grid import measures
from orchestrator.grid.measures import is_reachable, reachable, time_to
from orchestrator.grid.reader import read_text
from orchestrator.notebook.trial import Trial
from orchestrator.results.board import board_of
from orchestrator.results.confirmed import confirmed, confirmed_table
from orchestrator.results.per_class import class_table
from orchestrator.results.ranked import evaluating
from orchestrator.results.threshold import at_threshold
from orchestrator.results.updates import updates
from orchestrator.store.frames import TablesRead
from orchestrator.store.local_path import local_path, whole_path
from orchestrator.store.predictions.parts import Answered, PartTrial
from orchestrator.store.predictions.reading import examples_of, predicted_trials, predictions_of
from orchestrator.store.reading import results_at, table_of
from orchestrator.text import clean
from results_schema import ENVIRONMENTS, EPOCHS, TABLES, TRAINED, Table
from trainables import AXES, AxisName

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.figures.sheet import Sheet

# Which level of an axis reaches a target sooner, over everything that it was run with.


def speed_profile(
    trials: pd.DataFrame, epochs: pd.DataFrame, axis: str, on: measures.Measure, ratios: Sequence[float]
) -> pd.DataFrame:
    """Share of workloads on which a level of the axis is within a factor of the quickest: a column for each level.

    trials, epochs: of the tables. A workload is a combination of the other axes' levels; a level's time on it is the
    median over seeds, infinite where half of them never get there (Dahl et al. 2023, section 4). Workloads that some
    level was not run on are left out.
    """
    ended = trials[trials["status"].isin(TRAINED)]
    timed = ended.assign(time=measured(on, ended, epochs).to_numpy())
    others = [other for other in AXES if other != axis]
    times = timed.groupby([*others, axis])["time"].median().unstack(axis).dropna()
    return performance_profile(times, ratios)


Frames = Literal["pandas", "polars", "arrow"]
_WHAT_TRIALS_SAY: Final = ["trial_id", "purpose", "planned", "dataset", "status"]
_NAMES: Final = {table.name: table for table in TABLES}


def load(results: str | Path) -> "Results":
    """The results in a directory that `orch sweep` wrote, also while it still runs.

    They stay those of this directory wherever the notebook goes. Raises UserError where there are none, and where they are
    of another program or of a newer orch.
    """
    return Results(whole_path(local_path(results)))


class Results:
    """Tables as they were exported last, their checksums verified; each is read once, when it is first asked for.

    Columns, their types and units are in docs/data-dictionary.md. Raises DamagedResults where a table is.
    """

    def __init__(self, root: Path) -> None:
        self._paths = results_at(root)

    def __getattr__(self, name: str) -> pd.DataFrame:
        """A table as an attribute: `results.trials`, `results.epochs`."""
        if name not in _NAMES:
            raise AttributeError(f"results have no {name!r}; tables: {', '.join(_NAMES)}", name=name, obj=self)
        found = self.__dict__[name] = self.table(name)
        return found

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_NAMES]

    @overload
    def table(self, name: str, frame: Literal["pandas"] = "pandas") -> pd.DataFrame: ...
    @overload
    def table(self, name: str, frame: Literal["arrow"]) -> pa.Table: ...
    @overload
    def table(self, name: str, frame: Literal["polars"]) -> "pl.DataFrame": ...
    def table(self, name: str, frame: Frames = "pandas") -> "pd.DataFrame | pa.Table | pl.DataFrame":
        """A table by its name, read anew. Raises UserError for another name, ImportError where polars is not installed."""
        found = table_of(self._paths, _table(name))
        if frame == "arrow":
            return found
        if frame == "polars":
            import polars as pl

            return pl.DataFrame(found)
        return found.to_pandas()

    def trial(self, trial: str) -> Trial:
        """One trial, by its id or its first digits: `.row`, and `.model()`, its net to be used.

        Raises UserError where no trial's id begins so, or those of several do.
        """
        return Trial(self._paths, trial)

    @property
    def examples(self) -> pd.DataFrame:
        """The examples of every test split that predictions are kept of, with their targets, groups and sources."""
        found: pd.DataFrame = examples_of(self._paths).to_pandas()
        return found

    def predictions(self, trials: str | Iterable[str] | None = None) -> pd.DataFrame:
        """What trials said of each example of their test split; of all trials that have predictions where none are named.

            found = load("results/demo")
            wrong = found.predictions(found.trials["trial_id"][:3]).merge(found.examples).query("predicted != target")

        `trial_id` and `split_id` are categories. Those of a sweep that runs join some at a time. Raises UserError for a
        trial that has none.
        """
        there = predicted_trials(self._paths)
        named = there if trials is None else [trials] if isinstance(trials, str) else list(trials)
        if unknown := [trial_id for trial_id in named if trial_id not in there]:
            raise UserError(
                f"no predictions are kept for trial {unknown[0]}; `orch verify` says for which there are some"
            )
        said = list(predictions_of(self._paths, named))
        return pd.DataFrame(
            {
                "trial_id": _repeated([trial.trial_id for trial, _ in said], said),
                "split_id": _repeated([trial.split_id for trial, _ in said], said),
                "position": _joined([np.arange(trial.examples, dtype=np.int32) for trial, _ in said], np.int32),
                "predicted": _joined([answered.predicted for _, answered in said], np.float32),
                "probability": _joined([_probability(answered) for _, answered in said], np.float32),
            }
        )

    def cells(self, measure: str | None = None) -> pd.DataFrame:
        """One row for each cell, data set by data set, the best first: `orchestrator.results.ranked.ranked_cells`.

        Means over seeds with 95 % intervals about `scope`, in which a trial that broke counts as `counted_as`; ties with the
        best, spread over the binomial floor, how many trials broke, and costs. `measure` names the column whose mean is
        shown: of the test split when no trial has still to run, of validation before. Trials that the grid no longer names,
        and those that tune, are left out.

        measure: in place of what the grid selects by, ranked by it on validation: `f1_macro`, `recall[defect]`. Data sets
        without it are left out. Raises UserError where no trial has it.
        """
        return board_of(self._paths, TablesRead(self._paths), KeptPictures(self._paths), measure)[0]

    def at_threshold(self, wanted: str) -> pd.DataFrame:
        """One row for each completed trial: the threshold of the positive class that validation chooses, and what it gives.

            load("results/cells").at_threshold("recall[defect]>=0.9")

        wanted: a recall or a precision that validation has to reach: of the thresholds that do, the one with the greatest
        other of the two there. `test_` columns are of the test split, which chose nothing; while trials have still to run
        there are none. Raises UserError where `positive` did not name the class when the trials ran.
        """
        found: pd.DataFrame = at_threshold(self._paths, wanted).rows.to_pandas()
        return found

    def classes_of_best(self, measure: str | None = None) -> pd.DataFrame:
        """One row for each class of the first cell of each data set: precision, recall, F1, areas and support over seeds.

        measure: what the cells are ranked by, as in `cells`. Raises UserError while trials have still to run.
        """
        found: pd.DataFrame = class_table(self._paths, measure).to_pandas()
        return found

    def confirmed(self) -> pd.DataFrame:
        """One row for each cell that came first, and for each rival, on fresh seeds: what `--confirm` found.

        Empty where it was never asked for. Columns: `orchestrator.results.confirmed.ConfirmedCell`.
        """
        found: pd.DataFrame = confirmed_table(confirmed(self._paths)).to_pandas()
        return found

    def updates(self, every: int | None = None, alpha: float | None = None) -> pd.DataFrame:
        """One row for each stream, seed and policy: what it is worth to train a net again (docs/update.md).

            load("results/updated").updates(every=5, alpha=0.01)

        Columns: `orchestrator.results.updates.Update`. Empty where `prequential` was measured of no net.
        every: blocks between two retrainings of the policy `periodic`, and with it all policies, in place of those that the
        grid asks for. alpha: the largest p of an alarm, in place of that of the measurement.
        """
        return updates(TablesRead(self._paths), every, alpha)

    def claims(self) -> pd.DataFrame:
        """One row for each claim of the grid, with its verdict: what `orch claims --json` prints.

        `.attrs["dropped"]` lists the claims of earlier grids that this one has no more. Warns of tables that are damaged.
        """
        judged = judge(self._paths)
        for damage in judged.damage:
            warnings.warn(damage, stacklevel=2)
        frame = pd.DataFrame([as_json(verdict) for verdict in judged.verdicts])
        frame.attrs["dropped"] = list(judged.dropped)
        return frame

    def figure(self, kind: str, **options: str | int | None) -> "Sheet":
        """Return a figure for a paper, one of matplotlib's, with its `caption`: what `orch figure` draws.

            load("results/demo").figure("leaderboard", width="column").savefig("leaderboard.pdf")

        kind: `leaderboard`, `heatmap`, `curves`, `roc`, `pr`, `confusion`, `pareto`, `effects` or `average-ranks`. options:
        `width`, `dataset`, `cells`, `measure`, `rows`, `columns`, `cost`, `place` and `class_name`, as the command has them.
        Raises UserError where there is nothing to draw, with what is missing. Warns of tables that are damaged.
        """
        from orchestrator.figures.draw import draw

        sheet, damage = draw(self._paths, kind, options)
        for line in damage:
            warnings.warn(line, stacklevel=2)
        return sheet

    def compare(
        self,
        first: Mapping[str, Any],
        than: Mapping[str, Any],
        on: str | Mapping[str, Any] | None = None,
        *,
        margin: float = 0.0,
        where: Mapping[str, Any] | None = None,
    ) -> "Comparison":
        """Whether the cells of `first` are better than those of `than`, as a claim of a grid says it (docs/claims.md).

            load("results/demo").compare({"model": "cnn"}, {"model": "mlp"}, where={"dataset": "digits"})

        It is made after its data, so it is post hoc; and it is alone: who compares much corrects for it
        (`evidence.stats.paired.holm`).
        on: what the grid selects by, on the test split, when it is not given. Raises GridError where an axis, a level or
        a measure is none of the grid's, UserError where data sets are selected by different measures and `on` is not given.
        """
        claim: dict[str, Any] = {
            "id": "compare",
            "text": f"{_said(first)} is better than {_said(than)}",
            "better": _plain(first),
            "than": _plain(than),
            "on": _plain(on) if on is not None else f"test_{self._measure('on').name}",
        }
        claim |= {"margin": _plain(margin)} if margin else {}
        claim |= {"where": _plain(where)} if where else {}
        (verdict,) = judge(self._paths, read_text(self._grid_with(claim), Path("compare")), alone=True).verdicts
        return Comparison(*(getattr(verdict, field.name) for field in fields(verdict)))

    def profile(
        self,
        axis: AxisName,
        reach: float,
        of: str | None = None,
        *,
        clock: Literal["seconds", "epochs"] = "seconds",
        ratios: Sequence[float] = (1, 1.25, 1.5, 2, 3, 4, 8),
    ) -> pd.DataFrame:
        """Return how often each level of an axis reaches a target within a factor (row) of the quickest level's time.

            load("results/demo").profile("optimizer", reach=0.95).plot(drawstyle="steps-post")

        A performance profile: `orchestrator.notebook.load.speed_profile`. of: what the grid selects by when it is not given.
        Raises UserError where it is no column of `epochs` that has a better and a worse.
        """
        of = of if of is not None else self._measure("of").epoch
        if axis not in AXES:
            raise UserError(f"there is no axis {axis!r}; the axes are {', '.join(AXES)}")
        if not is_reachable(of):
            raise UserError(f"{of!r} cannot be reached; choose from {', '.join(reachable())}")
        epochs = TablesRead(self._paths).epochs([*EPOCHS.columns, of], needed=True)
        return speed_profile(self.trials, epochs, axis, time_to(reach, of, clock), ratios)

    def _measure(self, given: str) -> Measure:
        """Return what all trials are selected by. given: the argument that says it otherwise."""
        trials = evaluating(TablesRead(self._paths).every_trial([*_WHAT_TRIALS_SAY, *SCORES]))
        found = {measure.validation: measure for measure in measures_of(trials).values()}
        if len(found) > 1:
            raise UserError(f"data sets are selected by different measures ({', '.join(found)}): say `{given}`")
        return next(iter(found.values()), OWN[0])

    def _grid_with(self, claim: Mapping[str, Any]) -> str:
        """The grid of the latest run, claiming nothing else."""
        from ruamel.yaml import YAML

        yaml, text = YAML(), StringIO()
        grid = yaml.load(latest_text(self.table(ENVIRONMENTS.name), self._paths))
        grid["claims"] = [dict(claim)]
        yaml.dump(grid, text)
        return text.getvalue()

    def __repr__(self) -> str:
        done = int((self.trials["status"] == "completed").sum())
        return f"<results in {self._paths.root}: {done} of {len(self.trials)} trials completed>"


class Comparison(Verdict):
    """A verdict that a notebook shows in the words of `orch claims`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return clean("\n".join(lines_of(self)))


def _said(arm: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in _plain(arm).items())


def _plain(value: Any) -> Any:
    """Return what YAML can write, of what stands in notebooks: numpy's scalars and arrays are numbers, texts and lists."""
    match value:
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case str():
            return str(value)
        case list() | tuple() | np.ndarray() | pd.Series() | pd.api.extensions.ExtensionArray():
            return [_plain(one) for one in value]
        case np.generic():
            return value.item()
    return value


def _repeated(names: list[str], said: list[tuple[PartTrial, Answered]]) -> pd.Series:
    """A name for each row, as a category."""
    rows = [trial.examples for trial, _ in said]
    return pd.Series(names, dtype="category").repeat(rows).reset_index(drop=True)


def _joined(parts: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, kind)


def _probability(answered: Answered) -> NDArray[np.float32]:
    missing = np.full(len(answered.predicted), np.nan, np.float32)
    return missing if answered.probability is None else answered.probability


def _table(name: str) -> Table:
    if name not in _NAMES:
        raise UserError(f"there is no table {name!r}; the tables are {', '.join(_NAMES)}")
    return _NAMES[name]
