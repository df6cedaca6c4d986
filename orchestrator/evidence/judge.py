"""All claims of a results directory, beside what its tables hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from orchestrator.errors import DamagedResults, UserError
from orchestrator.evidence.arms import ArmFacts, Priors, chosen, comparison, facts_of, test_priors
from orchestrator.evidence.finding import Evidence, Look
from orchestrator.evidence.pairing import Side, Units, trials_of, units_of
from orchestrator.evidence.pictures import KeptPictures
from orchestrator.evidence.post_hoc import ClaimHistory
from orchestrator.evidence.stats.ranks import time_to_target
from orchestrator.evidence.stuck import set_apart
from orchestrator.evidence.verdict import Verdict, verdicts
from orchestrator.grid import GridSpec, read_grid
from orchestrator.grid.claims import Claim
from orchestrator.grid.measures import Measure, class_measure, is_higher_better, of_parent
from orchestrator.grid.reader import read_text
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.version import table_version
from results_schema import CLASSES, ENVIRONMENTS, EPOCHS, EVALUATION, TRAINED, TRIALS, still_to_run
from trainables import NOTHING_MADE

_SUPPORTS: Final = ["trial_id", "class_index", "support"]

# One number for each trial, by the measure of a claim.


def measured(on: Measure, trials: pd.DataFrame, epochs: pd.DataFrame) -> "pd.Series[float]":
    """Return values by trial_id, where a trial has one. A time is infinite where a trial that ended never got there.

    trials, epochs: of the tables. Only a trial that is completed has a value; for `diverged` and for times, one that
    diverged has one too (it never gets there: AlgoPerf's rule, Dahl et al. 2023, section 4.2).
    """
    rows = trials.set_index("trial_id")
    match on.form:
        case "diverged":
            ended = rows["status"].isin(TRAINED)
            return (rows["status"] == "diverged").astype("float64").where(ended)
        case "gap":
            ahead = _column(rows, f"train_{on.column}") - _column(rows, f"test_{on.column}")
            values = ahead if is_higher_better(on.column) else -ahead
        case "time":
            ended = rows["status"].isin(TRAINED)
            assert on.target is not None, "a time is to a target"
            higher = bool(is_higher_better(on.column))
            reached = time_to_target(epochs, on.target, measure=on.column, higher_is_better=higher, clock=on.clock)
            # what diverged never gets there, even where it had been there before
            times = reached.reindex(rows.index).fillna(np.inf).mask(rows["status"] == "diverged", np.inf)
            times += _before_training(rows) if on.clock == "seconds" else 0.0
            return times.where(ended & _has(on.column, rows, epochs))
        case "value":
            values = _mean_over_epochs(on, epochs, rows) if on.table == "epochs" else _column(rows, on.column)
    return values.where(np.isfinite(values) & (rows["status"] == "completed"))


def _has(column: str, rows: pd.DataFrame, epochs: pd.DataFrame) -> "pd.Series[bool]":
    """Whether a trial's data have the measure at all: some trial on the same data has a value of it."""
    data = rows["data_fingerprint"].fillna(rows["dataset"]) if "data_fingerprint" in rows else rows["dataset"]
    measuring = data.reindex(epochs["trial_id"][epochs[column].notna()].unique()).dropna()
    return data.isin(measuring)


def _column(rows: pd.DataFrame, name: str) -> "pd.Series[float]":
    """Missing where a table of an older version lacks it. What compares variants with the nets that they were made of has a
    value for those too, so that a claim can be about both: a net is once as quick as it is.
    """
    if name not in rows:
        return pd.Series(np.nan, index=rows.index, dtype="float64")
    values = rows[name].astype("float64")
    beside_itself = of_parent(name)
    return values if beside_itself is None else values.mask(rows["deployment"] == NOTHING_MADE, beside_itself)


def _before_training(rows: pd.DataFrame) -> "pd.Series[float]":
    """Seconds in which features and examples were made: to do a part of it beforehand makes no training quicker."""
    return (_column(rows, "total_seconds") - _column(rows, "train_seconds")).fillna(0.0)


def _mean_over_epochs(on: Measure, epochs: pd.DataFrame, rows: pd.DataFrame) -> "pd.Series[float]":
    means: pd.Series[float] = epochs.groupby("trial_id")[on.column].mean()
    return means.astype("float64").reindex(rows.index)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What `orch claims` shows."""

    sweep: str
    """Its name; of several results all names."""
    verdicts: tuple[Verdict, ...]
    results: tuple[Path, ...]
    """Of each verdict, whose trials it is about."""
    dropped: tuple[str, ...]
    """Claims of earlier grids on these data that this one has no more; p is corrected for them too."""
    damage: tuple[str, ...]
    """Tables that are damaged. What is shown is from the journal, or without them."""


def judge(paths: ResultsPaths, grid: Path | GridSpec | None = None, *, alone: bool = False) -> Judgement:
    """The grid's claims, as the latest sweep here had it, or as a file has it now.

    alone: without correction for the claims of earlier grids.
    Raises UserError (no sweep has begun here), GridError (a claim that cannot be read), DamagedResults.
    """
    return _judged([_stated(paths, grid)], alone=alone)


def judge_together(every: Sequence[ResultsPaths]) -> Judgement:
    """The claims of several results as one family: p is corrected over all of them.

    Raises as `judge`, and UserError where they are no family: a directory or an id comes twice, the tables are of
    different versions, or one claim is made on two measures.
    """
    _refuse_versions(every)
    stated = [_stated(paths, None) for paths in every]
    _refuse_same(stated)
    return _judged(stated)


@dataclass(frozen=True)
class _Stated:
    """What one results directory claims, and what there is on it."""

    root: Path
    sweep: str
    claims: Sequence[Claim]
    family: int
    """Claims of its whole study."""
    evidence: Sequence[Evidence]
    dropped: Mapping[str, str]
    """By digest, what earlier grids here claimed."""
    damage: tuple[str, ...]


def _judged(stated: Sequence[_Stated], *, alone: bool = False) -> Judgement:
    claims = [claim for one in stated for claim in one.claims]
    made = {claim.digest for claim in claims}
    dropped = {digest: name for one in stated for digest, name in one.dropped.items() if digest not in made}
    evidence = [on for one in stated for on in one.evidence]
    others = max(0, *(one.family - len(claims) for one in stated)) + (0 if alone else len(dropped))
    return Judgement(
        sweep=", ".join(one.sweep for one in stated),
        verdicts=verdicts(claims, evidence, others),
        results=tuple(one.root for one in stated for _ in one.claims),
        dropped=tuple(dict.fromkeys(dropped.values())),
        damage=tuple(line for one in stated for line in one.damage),
    )


def _stated(paths: ResultsPaths, grid: Path | GridSpec | None) -> _Stated:
    tables = TablesRead(paths)
    environments = tables.needed(ENVIRONMENTS, ENVIRONMENTS.columns)
    latest = latest_text(environments, paths)
    spec = (
        read_grid(grid) if isinstance(grid, Path) else grid or read_text(latest, Path(f"the grid kept in {paths.root}"))
    )
    asked = [column for claim in spec.claims for column in claim.on.columns]
    trials = _evaluating(tables.every_trial([*TRIALS.columns, *(name for name in asked if class_measure(name))]))
    planned = trials[trials["planned"]] if trials["planned"].any() else trials
    recorded = ClaimHistory(environments)
    epochs = cache(partial(_epochs, tables, asked))  # large, and few claims need it
    priors = test_priors(planned, lambda ids: tables.wanted(CLASSES, _SUPPORTS, [("trial_id", "in", ids)]))
    pictures = KeptPictures(paths)
    evidence = []
    for claim in spec.claims:
        about = trials_of(claim, trials)
        notes: list[str] = []
        units = partial(_units, claim, epochs=epochs, pictures=pictures, notes=notes)
        there = evidence_on(claim, trials, planned, recorded, units)
        found = there.units
        others = int((about & (trials["status"] == "completed") & ~trials["trial_id"].isin(planned["trial_id"])).sum())
        if others:
            notes.append(f"{others} completed trials of earlier grids are not counted")
        notes += filter(None, (chosen(side.name, _of(side, planned)) for side in found.sides))
        evidence.append(
            replace(
                there,
                arms=comparison(claim, [_facts(side, planned, priors) for side in found.sides]),
                notes=tuple(dict.fromkeys(notes)),
            )
        )
    dropped = recorded.dropped({claim.digest for claim in spec.claims}, trials)
    return _Stated(
        paths.root, spec.name, spec.claims, spec.tests, evidence, dropped, (*tables.damage, *pictures.damage)
    )


def evidence_on(
    claim: Claim,
    trials: pd.DataFrame,
    planned: pd.DataFrame,
    recorded: ClaimHistory,
    units_of: Callable[[pd.DataFrame], Units],
) -> Evidence:
    """Where seeds are added until claims are decided, with each look whose trials have ended.

    trials: all of the directory, of which `planned` are those of its grid. units_of: what some of those give.
    """
    about, plan = trials[trials_of(claim, trials)], recorded.plan
    own = planned[trials_of(claim, planned) & (planned["status"] != "skipped")]

    def additions(units: Units) -> int:
        return recorded.additions(trials[trials["trial_id"].isin(units.trial_ids)], about)

    def first(seeds: int) -> Units:
        return units_of(planned[planned["seed"].isin(recorded.first_seeds(seeds))])

    looks: list[Look] = []
    had = own.groupby("cell_id")["seed"].nunique().min()  # some of its cells may have more, for other claims' sake
    for seeds in plan.all_sizes if plan is not None else ():
        if not seeds <= had or still_to_run((units := first(seeds)).lacking):
            break
        looks.append(Look(seeds, units, additions(units)))
    shown = looks[-1].units if looks else units_of(planned) if plan is None else first(plan.all_sizes[0])
    return Evidence(
        units=shown,
        post_hoc=recorded.is_post_hoc(claim.digest, about),
        additions=additions(shown),
        cells=frozenset(own["cell_id"]),
        plan=plan,
        looks=tuple(looks),
    )


def _refuse_versions(every: Sequence[ResultsPaths]) -> None:
    roots = [paths.root.resolve() for paths in every]
    if twice := [paths.root for paths, root in zip(every, roots, strict=True) if roots.count(root) > 1]:
        raise UserError(f"{twice[0]} is given twice; its claims are one family as they are")
    versions = {paths.root: table_version(paths.table(TRIALS.name)) for paths in every}
    known = {root: version for root, version in versions.items() if version is not None}
    if len(set(known.values())) > 1:
        listed = ", ".join(f"{root} has {version}" for root, version in known.items())
        raise UserError(
            f"these results are of different versions of the tables ({listed}), whose columns need not mean the same;"
            " `orch sweep GRID` with this orch brings each to its own"
        )


def _refuse_same(stated: Sequence[_Stated]) -> None:
    """Nobody could say which of two claims a verdict is of."""
    by_id: dict[str, _Stated] = {}
    by_text: dict[str, tuple[_Stated, Claim]] = {}
    for one in stated:
        for claim in one.claims:
            if (other := by_id.setdefault(claim.id, one)) is not one:
                raise UserError(f"both {other.root} and {one.root} claim {claim.id}; give one of them another id")
            where, same = by_text.setdefault(claim.text.casefold(), (one, claim))
            if where is not one and same.on != claim.on:
                raise UserError(
                    f"{same.id} of {where.root} and {claim.id} of {one.root} say the same of {same.on.name} and of"
                    f" {claim.on.name}; one claim is on one measure"
                )


def _facts(side: Side, planned: pd.DataFrame, priors: Priors) -> ArmFacts:
    return facts_of(side.name, _of(side, planned), priors)


def _of(side: Side, planned: pd.DataFrame) -> pd.DataFrame:
    return planned[planned["trial_id"].isin(side.trial_ids)]


def latest_text(environments: pd.DataFrame, paths: ResultsPaths) -> str:
    """The grid of the latest sweep. Raises UserError where none has begun."""
    if (text := latest_grid(environments)) is None:
        raise UserError(f"no sweep has begun in {paths.root}; run `orch sweep GRID` first")
    return text


def latest_grid(environments: pd.DataFrame) -> str | None:
    """The same; None where none has begun."""
    if environments.empty:
        return None
    return str(environments.sort_values("started_at", kind="stable").iloc[-1]["grid"])


def _evaluating(trials: pd.DataFrame) -> pd.DataFrame:
    """Trials that tune read no test split, and those that confirm were chosen by the others: a claim is of none of them."""
    return trials[trials["purpose"].fillna(EVALUATION) == EVALUATION].assign(
        planned=trials["planned"].fillna(False).astype(bool)
    )


def _epochs(tables: TablesRead, asked: Sequence[str]) -> pd.DataFrame | None:
    """Read the epochs; None where the table cannot be read, which is reported. asked: measures, some of them of classes."""
    try:
        return tables.epochs([*EPOCHS.columns, *(name for name in asked if class_measure(name))], needed=True)
    except (DamagedResults, UserError) as unreadable:
        tables.damage.append(str(unreadable))
        return None


def _units(
    claim: Claim,
    planned: pd.DataFrame,
    *,
    epochs: Callable[[], pd.DataFrame | None],
    pictures: KeptPictures,
    notes: list[str],
) -> Units:
    """notes: what else has to be said joins it. A table that cannot be read leaves open the claims that need it alone."""
    rows = pd.DataFrame(columns=EPOCHS.columns)
    if claim.on.table == "epochs":
        if (read := epochs()) is None:
            nothing = pd.Series(float("nan"), index=planned["trial_id"])
            notes.append("it needs the table of epochs, which cannot be read")
            return units_of(claim, planned, nothing)
        rows = read
    apart = set_apart(claim.on, planned)
    values = measured(claim.on, apart, rows)
    try:
        return units_of(claim, apart, values, pictures)
    except DamagedResults as damaged:  # found while they are read
        pictures.damage.append(str(damaged))
        return units_of(claim, apart, values)
