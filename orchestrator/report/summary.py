"""What was run, what came first, and how sure that is: the words at the head of the page."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from orchestrator.evidence.selection import Measure, is_open
from orchestrator.grid.claims import ALPHA, min_seeds
from orchestrator.report.page_data import LEFT_OVER, Effects
from orchestrator.results.ranked import broken, counted_as, tuned_label
from orchestrator.text import counted
from results_schema import BROKEN, OPEN, RETRYABLE
from trainables import METHOD_AXES


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a reader has to know, and what to run."""

    what: str
    """A sentence."""
    do: str = ""
    """A command; empty where there is nothing to run."""
    section: str = ""
    """The id of the page's section with all of it; empty where there is none."""


@dataclass(frozen=True, slots=True)
class WinningCell:
    """The cell that validation puts first, of one data set."""

    dataset: str
    label: str
    score: str
    interval: str
    """Empty with one seed."""
    title: str
    ahead: tuple[Notice, ...]
    """By how much it is better than others; none where no other completed."""
    sure: tuple[Notice, ...]
    """How sure that is."""
    matters: str
    """Which axis explains most of the variance, a sentence; empty where nothing varies."""


def winners(
    measures: Mapping[str, Measure],
    ranked: pd.DataFrame,
    shares: tuple[Effects, ...],
    confirmed: Collection[str] | None = (),
) -> tuple[WinningCell, ...]:
    """Name the best cell of each data set that has a completed trial. The test split chooses nothing.

    measures: of each data set. confirmed: data sets whose best cells were confirmed on fresh seeds; None where these are the
    best by another measure than the grid selects by, which is what is confirmed.
    """
    of_dataset = {effects.dataset: effects for effects in shares}
    found = []
    for name, cells in ranked.groupby("dataset", sort=False):
        dataset = str(name)
        if (cells["n"] > 0).any():
            was_confirmed = None if confirmed is None else dataset in confirmed
            found.append(_winner(cells, measures[dataset], of_dataset.get(dataset), was_confirmed))
    return tuple(found)


def _winner(cells: pd.DataFrame, measure: Measure, effects: Effects | None, confirmed: bool | None) -> WinningCell:
    there = cells[cells["n"] > 0]
    cell = there.iloc[0]
    seeds = int(cell["n"])
    hit = int(broken(cells).iloc[0])
    over = f"over {counted(seeds + hit, 'seed')}" + (
        f", {hit} of them broken and counted as {counted_as(cells)}" if hit else ""
    )
    interval = "" if pd.isna(cell["low"]) else f"{figure_text(cell['low'])} to {figure_text(cell['high'])}"
    return WinningCell(
        dataset=str(cell["dataset"]),
        label=tuned_label(cell),
        score=figure_text(cell["mean"]),
        interval=interval,
        title=f"mean {measure.score} {over}; chosen by validation {measure.title}{_beside(measure)}",
        ahead=tuple(_ahead(there, measure)),
        sure=tuple(_sure(cells, measure, confirmed)),
        matters="" if effects is None else _matters(effects),
    )


def _ahead(cells: pd.DataFrame, measure: Measure) -> Iterator[Notice]:
    """Yield how far the next and the last are behind. cells: with a completed trial, the best first."""
    if len(cells) < 2:
        return
    first, following, last = cells.iloc[0], cells.iloc[1], cells.iloc[-1]
    p = "" if pd.isna(following["p"]) else f", p = {following['p']:.2g} after Holm"
    name = f"{_unlike(following, first)} ({figure_text(following['mean'])}{p})"
    yield Notice(f"{_distance(first, following, 'the next', measure)}, {name}.")
    if len(cells) > 2:
        yield Notice(f"{_distance(first, last, 'the last', measure)} ({figure_text(last['mean'])}).")


def _distance(first: "pd.Series[Any]", other: "pd.Series[Any]", called: str, measure: Measure) -> str:
    better = (first["mean"] - other["mean"]) * (1 if measure.higher_is_better else -1)
    # validation ranks, so that on the test split another may be better
    where = f"ahead of {called}" if better >= 0 else f"behind {called} on the {measure.split} split"
    return f"{_apart(abs(better))} {where}"


def _apart(value: float) -> str:
    """As many digits as the means have that it lies between."""
    return f"{value:.4f}" if 1e-4 <= value < 1000 else figure_text(value)


def _unlike(cell: "pd.Series[Any]", first: "pd.Series[Any]") -> str:
    """Name a cell by what it has in place of what the first has."""
    levels = [str(cell[axis]) for axis in METHOD_AXES if cell[axis] != first[axis]]
    return f"with {' · '.join(levels)}" if levels else tuned_label(cell)


def _beside(measure: Measure) -> str:
    """Say that not all cells of the data set select by the same."""
    return f", though some cells select by {', '.join(measure.beside)}" if measure.beside else ""


def _sure(cells: pd.DataFrame, measure: Measure, confirmed: bool | None) -> Iterator[Notice]:
    """confirmed: None where nothing could confirm it."""
    ranked = cells[cells["n"] > 0]
    others = len(ranked) - 1
    if measure.split == "validation":
        yield Notice("The best so far; cells are not compared while trials have still to run.")
        return
    if not others:
        yield Notice("No other cell completed.")
        return
    differ, ties = int((ranked["p"] <= ALPHA).sum()), int(ranked["ties"].sum()) - 1
    if differ or ties:
        yield Notice(f"{_differences(differ, ties, others)} at 5 %, after Holm's correction.", section="leaderboard")
        yield from _overtaken(ranked, measure)
    left = others - differ - ties
    if left and (reasons := list(ranked["withheld"].dropna())):
        yield Notice(f"It cannot be compared with {'any other' if left == others else f'{left} more'}: {reasons[0]}.")
    elif left:
        yield Notice(_unable(ranked, left, others))
    if isinstance(scope := ranked["scope"].iloc[0], str):
        yield Notice(f"The interval is about {scope}.")
    if confirmed:
        yield Notice("It ran on fresh seeds, which had no part in choosing it.", section="confirmation")
        return
    luck = f"Chosen as the best of {others + 1}, it owes part of its score to luck, and would lose that on fresh seeds"
    yield Notice(f"{luck}.") if confirmed is None else Notice(f"{luck}:", "orch sweep GRID --confirm")


def _differences(differ: int, ties: int, others: int) -> str:
    n = counted(others, "other")
    if ties:
        return f"{ties} of {n} cannot be distinguished from it"
    every = "the" if others == 1 else "all"
    return f"It differs from {every if differ == others else f'{differ} of'} {n}"


def _unable(ranked: pd.DataFrame, left: int, others: int) -> str:
    """Say that so few seeds tell nothing, whatever the cells are: what they do not tell apart is not alike for that."""
    seeds, least = int(ranked["n"].max()), min_seeds(others)
    few = "One seed" if seeds == 1 else f"{seeds} seeds" if seeds < least else "The seeds that they have in common"
    others_in_words = f"the other {left}" if left == others else f"{left} more"
    return f"{few} cannot distinguish it from {others_in_words}: it takes {least} seeds."


def figure_text(value: float) -> str:
    """Format a number as the page's tables do."""
    return f"{value:.4g}" if value and not 1e-3 <= abs(value) < 1000 else f"{value:.4f}"


def _overtaken(ranked: pd.DataFrame, measure: Measure) -> Iterator[Notice]:
    """Validation chooses; where the test split says otherwise for sure, that is reported."""
    ahead = ranked["mean"] - ranked["mean"].iloc[0]
    better = int(((ranked["p"] <= ALPHA) & ((ahead if measure.higher_is_better else -ahead) > 0)).sum())
    if better:
        yield Notice(f"{better} of them did better on the test split, though not on validation.", section="leaderboard")


def _matters(effects: Effects) -> str:
    if not effects.shares or (first := effects.shares[0]).term == LEFT_OVER:
        return ""
    assert first.share is not None and first.low is not None and first.high is not None, "what is unsure is left out"
    share = f"{first.share:.0%} [{first.low:.0%}, {first.high:.0%}] of the variance"
    others = [one.high for one in effects.shares[1:] if one.term != LEFT_OVER and one.high is not None]
    most = others and not effects.lacking and first.low > max(others)
    return f"{first.term} explains most: {share}." if most else f"{first.term} explains {share}."


def failure_summary(ranked: pd.DataFrame) -> str:
    """Return how many cells have trials that diverged or failed: never dropped in silence."""
    counts = broken(ranked)
    hit, lost = int((counts > 0).sum()), int(((counts > 0) & (ranked["n"] == 0)).sum())
    if not hit:
        return "No cell has a trial that diverged or failed."
    kinds = ", ".join(f"{int(ranked[name].sum())} {name.replace('_', ' ')}" for name in BROKEN if ranked[name].sum())
    none = f"; {lost} of them without a completed trial, listed last" if lost else ""
    cells = "1 cell has" if hit == 1 else f"{hit} cells have"
    return f"{cells} trials that broke ({kinds}){none}. They count in means and ranks."


def _of_validation(trials: pd.DataFrame) -> str:
    return ", on validation: test scores are shown once all have ended" if is_open(trials["status"]) else ""


def asked(measures: Mapping[str, Measure], left_out: Sequence[str]) -> Iterator[Notice]:
    """Yield by what cells are ranked in place of what the grid selects by. left_out: data sets of which no trial has it."""
    title = " or ".join(dict.fromkeys(measure.title for measure in measures.values()))
    yield Notice(f"Cells are ranked by validation {title}, as was asked for, and not by what the grid selects by.")
    if left_out:
        yield Notice(f"Left out, since no trial there has {title}: {', '.join(left_out)}.")


def notices(trials: pd.DataFrame, ranked: pd.DataFrame, damage: list[str], results: str) -> Iterator[Notice]:
    """Yield what the page lacks. trials: planned ones that evaluate."""
    for message in damage:
        yield Notice(message)
    if trials.empty:
        yield Notice("No trial is planned here yet.", "orch sweep GRID")
        return
    waiting, retry = int(trials["status"].isin(OPEN).sum()), int(trials["status"].isin(RETRYABLE).sum())
    if waiting:
        message = f"{waiting} of {len(trials)} trials {'has' if waiting == 1 else 'have'} still to run"
        yield Notice(f"{message}: all figures are of the completed ones{_of_validation(trials)}.", "orch sweep GRID")
    if not (ranked["n"] > 0).any():
        yield Notice("No trial has completed yet: there is nothing to rank or draw.", f"orch status {results}")
    elif int(ranked["n"].max()) < 2:
        seeds = min_seeds(max(1, int(ranked.groupby("dataset")["n"].apply(lambda n: (n > 0).sum()).max()) - 1))
        yield Notice("Each cell has one completed seed: there are no intervals.", f"orch sweep GRID --seeds {seeds}")
    if retry:
        yield Notice(
            f"{counted(retry, 'trial')} failed, timed out or ran out of memory.",
            "orch sweep GRID --retry",
        )
