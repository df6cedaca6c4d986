"""On which parts of the test split trials do worst, as the measurement `groups` has found out: `orch audit`."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from orchestrator.errors import UserError
from orchestrator.evidence.stats.leaderboard import Interval, mean_interval
from orchestrator.results.ranked import short_label
from orchestrator.results.trial_log import the_one
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from results_schema import GROUPS, MEASUREMENT
from trainables import AXES
from trainables.errors import alike, meant

LEVEL: Final = 0.05
"""p, after correction, below which a slice is said to be worse than the rest."""
_TRIALS: Final = ["trial_id", "cell_id", "seed", "status", "purpose", "planned", "test_accuracy", *AXES]
_MEASURED: Final = ["trial_id", "parent_id", "status", "reason", "measurement_config"]
_ODDS: Final = "equalized_odds_difference"
_WHY: Final = ("by", "part", "left_out")
_ROWS: Final = [
    *("measurement_id", "trial_id", "n", "accuracy", "accuracy_low", "accuracy_high", "recall_macro", "p", *_WHY),
]
Row = dict[str, Any]
"""Of a table, by the names of its columns."""


@dataclass(frozen=True, slots=True)
class Part:
    """A group or a slice of the test split of one trial."""

    by: str
    part: str
    n: int
    accuracy: float
    low: float
    high: float
    """Ends of the 95 % interval."""
    rest_accuracy: float | None
    """Of what is parted by the same, without this part; None where there is no more."""
    p: float | None
    """Of a slice, after correction; None of a group that has a name."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What takes part in no comparison."""

    by: str
    part: str | None
    """None where nothing at all was measured by it."""
    why: str


@dataclass(frozen=True, slots=True)
class TrialAudit:
    """What was found out about one trial."""

    trial_id: str
    cell_id: str
    label: str
    dataset: str
    seed: int
    accuracy: float | None
    """Of its whole test split."""
    groups: tuple[Part, ...]
    """Of each kind of named groups the one with the least accuracy, the worst first."""
    slices: tuple[Part, ...]
    """Those that are worse than the rest beyond chance, the worst first."""
    least_p: float | None
    """Of all slices; None where none was tested."""
    odds_difference: float | None
    """The largest difference of equalised odds (Hardt et al. 2016)."""
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class CellAudit:
    """A kind of part that is the worst in seeds of a cell."""

    cell_id: str
    label: str
    dataset: str
    by: str
    part: str
    """Without the range of its numbers, and without the number of its cluster, which differ from seed to seed."""
    named: bool
    """Whether it is a group that has a name, and not a slice."""
    worst_in: int
    seeds: int
    """That were measured so."""
    accuracy: Interval
    """Over the seeds in which it is the worst."""


# Slices in words, as they are called in every seed and as people say it.

_RANGE: Final = re.compile(r"(\d+) of (\d+): (.*)")
_CLUSTER: Final = re.compile(r"(answered .*), (cluster \d+ of \d+)", re.DOTALL)
_ENDS: Final[Mapping[str, tuple[str, str]]] = {
    "brightness": ("the darkest", "the brightest"),
    "contrast": ("the least contrast", "the most contrast"),
    "confidence": ("the least confident", "the most confident"),
    "distance": ("the nearest to the training split", "the farthest from the training split"),
}
"""Of what orch itself cuts, its first part and its last."""


def kind(part: str) -> str:
    """A slice without what differs from seed to seed: the range of its numbers, the number of its cluster."""
    if (cluster := _CLUSTER.fullmatch(part)) is not None:
        return cluster[1]
    found = _RANGE.fullmatch(part)
    return part if found is None else f"{found[1]} of {found[2]}"


def in_words(by: str, part: str) -> str:
    """`distance 5 of 5 (0.3 to 0.5: the farthest from the training split)`."""
    if (cluster := _CLUSTER.fullmatch(part)) is not None:
        return f"{cluster[2]} of what is {cluster[1]}"
    if by == "clusters":
        return f"what is {part}"
    place, numbers = part, ""
    if (found := _RANGE.fullmatch(part)) is not None:
        place, numbers = f"{found[1]} of {found[2]}", found[3]
    number, _, count = place.partition(" of ")
    first, last = _ENDS.get(by, ("", ""))
    end = "" if number == count else first if number == "1" else ""
    end = last if number == count and count != "1" else end
    told = ": ".join(filter(None, (numbers, end)))
    return f"{by} {place}" + (f" ({told})" if told else "")


def p_in_words(p: float) -> str:
    """`p = 0.012`."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def records(frame: pd.DataFrame) -> list[Row]:
    """The rows of a table."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict(orient="records")]


def trial_audits(paths: ResultsPaths, trial: str | None, by: Sequence[str]) -> list[TrialAudit]:
    """Of the trial whose id begins so, or of all that were measured. by: what alone is looked at; everything if empty.

    Raises UserError where there is no such trial, or nothing was measured so, and says how it can be; DamagedResults.
    """
    tables = TablesRead(paths)
    every = tables.every_trial(_TRIALS)
    trials = every[every["purpose"] != MEASUREMENT].drop_duplicates("trial_id").set_index("trial_id", drop=False)
    chosen = [] if trial is None else [_named_trial(trials, trial)]
    rows = tables.wanted(GROUPS, _ROWS, [("trial_id", "in", chosen)] if chosen else ())
    measured = tables.every_trial([*_MEASURED, _ODDS], [("purpose", "=", MEASUREMENT)])
    measured = measured[measured["measurement_config"].map(_is_of_groups)]
    if chosen:
        measured = measured[measured["parent_id"].isin(chosen)]
    # what was asked for twice, alone and beside others, is told once
    rows = rows[rows["trial_id"].isin(trials.index)].drop_duplicates(["trial_id", "by", "part"], keep="last")
    skipped = _not_measured(measured)
    if rows.empty:
        raise UserError(_how_to(paths, chosen, skipped))
    if by:
        _refuse_unmeasured(paths, rows, by)
        rows = rows[rows["by"].isin(by)]
    odds = measured.set_index("trial_id")[_ODDS]
    of_trial = dict(iter(rows.groupby("trial_id", sort=False)))
    return [
        _audit(trial, of_trial[trial["trial_id"]], odds, () if by else skipped.get(trial["trial_id"], ()))
        for trial in records(trials)
        if trial["trial_id"] in of_trial
    ]


def cell_audits(audits: Sequence[TrialAudit]) -> list[CellAudit]:
    """Which kind of part is the worst in how many seeds of each cell: the most frequent first, groups before slices."""
    worst: dict[tuple[str, bool, str, str], list[tuple[TrialAudit, float]]] = {}
    for audit in audits:
        for named, parts in ((True, audit.groups), (False, informative(audit.slices))):
            for part in parts[:1]:
                key = (audit.cell_id, named, part.by, part.part if named else kind(part.part))
                worst.setdefault(key, []).append((audit, part.accuracy))
    seeds = Counter(audit.cell_id for audit in audits)
    found = [
        CellAudit(
            cell_id=cell_id,
            label=told[0][0].label,
            dataset=told[0][0].dataset,
            by=by,
            part=part,
            named=named,
            worst_in=len(told),
            seeds=seeds[cell_id],
            accuracy=mean_interval([accuracy for _, accuracy in told]),
        )
        for (cell_id, named, by, part), told in worst.items()
    ]
    place = {cell_id: number for number, cell_id in enumerate(seeds)}
    return sorted(found, key=lambda one: (place[one.cell_id], not one.named, -one.worst_in, one.accuracy.mean))


def informative(slices: Sequence[Part]) -> list[Part]:
    """Those that tell more than that a net is seldom right where it is not confident, if any; else all."""
    return [part for part in slices if part.by != "confidence"] or list(slices)


def _audit(trial: Row, rows: pd.DataFrame, odds: "pd.Series[float]", skipped: Sequence[LeftOut]) -> TrialAudit:
    whole = rows.assign(correct=rows["accuracy"].fillna(0.0) * rows["n"]).groupby("by")[["correct", "n"]].sum()
    compared = rows[rows["left_out"].isna() & rows["accuracy"].notna()]
    # of slices there is no recall
    named = _parts(compared[compared["recall_macro"].notna()], whole)
    slices = _parts(compared[compared["p"].notna()], whole)
    by_kind = {part.by: part for part in sorted(named, key=lambda part: (-part.accuracy, part.n))}
    of_rows = odds.reindex(rows["measurement_id"].unique()).dropna()
    left_out = rows[rows["left_out"].notna()]
    return TrialAudit(
        trial_id=trial["trial_id"],
        cell_id=trial["cell_id"],
        label=short_label(trial),
        dataset=trial["dataset"],
        seed=int(trial["seed"]),
        accuracy=None if pd.isna(trial["test_accuracy"]) else float(trial["test_accuracy"]),
        groups=tuple(sorted(by_kind.values(), key=lambda part: part.accuracy)),
        slices=tuple(sorted((part for part in slices if (part.p or 0.0) < LEVEL), key=lambda part: part.accuracy)),
        least_p=min((part.p for part in slices if part.p is not None), default=None),
        odds_difference=float(of_rows.max()) if len(of_rows) else None,
        left_out=(*(LeftOut(*each) for each in zip(*(left_out[name] for name in _WHY), strict=True)), *skipped),
    )


def _parts(rows: pd.DataFrame, whole: pd.DataFrame) -> list[Part]:
    """whole: of each kind, the right answers and the examples of all its parts."""
    all_right, everything = whole["correct"].to_dict(), whole["n"].to_dict()
    return [_part(row, float(all_right[row["by"]]), int(everything[row["by"]])) for row in records(rows)]


def _part(row: Row, all_right: float, everything: int) -> Part:
    rest = everything - int(row["n"])
    return Part(
        by=row["by"],
        part=row["part"],
        n=int(row["n"]),
        accuracy=row["accuracy"],
        low=row["accuracy_low"],
        high=row["accuracy_high"],
        rest_accuracy=(all_right - row["accuracy"] * row["n"]) / rest if rest else None,
        p=None if pd.isna(row["p"]) else row["p"],
    )


# What was not measured, and how it can be.


def _named_trial(trials: pd.DataFrame, prefix: str) -> str:
    wanted = prefix.strip().lower()
    known = [str(trial_id) for trial_id in trials.index]
    return the_one(wanted, sorted(one for one in known if one.startswith(wanted)), lambda: known)


def _not_measured(measured: pd.DataFrame) -> dict[str, list[LeftOut]]:
    """By trial, the measurements of groups that have found nothing."""
    found: dict[str, list[LeftOut]] = {}
    for row in records(measured[measured["status"] != "completed"]):
        why = row["reason"] if row["status"] == "skipped" else row["status"]
        found.setdefault(row["parent_id"], []).append(LeftOut(_asked(row["measurement_config"]), None, str(why)))
    return found


def _is_of_groups(config: str) -> bool:
    return bool(json.loads(config)["name"] == "groups")


def _asked(config: str) -> str:
    """What a measurement was asked to part by."""
    by = json.loads(config)["by"]
    return ", ".join(by) if isinstance(by, list) else str(by)


def _how_to(paths: ResultsPaths, chosen: Sequence[str], skipped: Mapping[str, Sequence[LeftOut]]) -> str:
    of = f"trial {chosen[0]}" if chosen else str(paths.root)
    why = next((each.why for one in skipped.values() for each in one), None)
    said = f" ({why})" if why is not None else ""
    return f"no groups were measured of {of}{said}; `orch measure {paths.root} groups` does, from the weights of its trials"


def _refuse_unmeasured(paths: ResultsPaths, rows: pd.DataFrame, by: Sequence[str]) -> None:
    there = [str(each) for each in rows["by"].unique()]
    for one in (each for each in by if each not in there):
        way = f"`orch measure {paths.root} '{{name: groups, by: {one}}}'` measures it (there is {', '.join(there)})"
        raise UserError(f"nothing was measured by {one!r}; {meant(alike(one, there), way)}")
