"""What the page compares two cells or trials by, side by side, beside the values that its charts draw."""

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from orchestrator.errors import OrchError
from orchestrator.plan.tuned import shown_text
from orchestrator.report.breakdowns import Classes
from orchestrator.report.charts import CELLS_KEPT
from orchestrator.report.gallery import shared_split
from orchestrator.report.page_data import DataTable
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.reading import examples_of, predicted_trials, split_predictions
from results_schema import TRAINED_NET, TRIALS
from trainables import AXES

_PARTS: Final = (*AXES, "protocol")
_CELLS_ASKED: Final = 24
"""Of each data set, the best ones, whose answers the page carries: 1.3 kB a cell and 10,000 examples."""
_DATASETS_ASKED: Final = 20
_EXAMPLES_NAMED: Final = 400
_NAME: Final = 60
"""Characters of an example's source."""

Settings = tuple[tuple[str, str], ...]
"""Names and values, as `("optimizer.lr", "0.003")`."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Which test examples one trial of each of the best cells of a data set gets right, all on one test split."""

    cells: tuple[int, ...]
    """Places in `Cells.cells`."""
    examples: int
    right: tuple[str, ...]
    """A bit for each example, the lowest of a byte first, in base64."""
    named: tuple[int, ...]
    """Examples that some of the cells get right and others wrong, what divides them most evenly first."""
    sources: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SideBySide:
    """By cell, in the order of `Cells.cells`."""

    cells: tuple[str, ...]
    """Ids."""
    settings: tuple[Settings, ...]
    """Each once, of an axis or of the protocol."""
    of_cells: tuple[tuple[int, ...], ...]
    """Places in `settings`."""
    trials: tuple[int | None, ...]
    """The cell of each row of the page's table of trials."""
    answers: tuple[Answers, ...]
    """Of data sets with predictions and classes."""


def side_by_side(
    paths: ResultsPaths,
    tables: TablesRead,
    trials: pd.DataFrame,
    ranked: pd.DataFrame,
    listed: DataTable,
    classes: Classes,
    *,
    under_way: bool,
) -> SideBySide:
    """ranked: of `ranked_cells`. listed: of `trial_grid`. under_way: whether nothing of the test split is shown yet."""
    kept = ranked.head(CELLS_KEPT)
    place = {str(cell): at for at, cell in enumerate(kept["cell_id"])}
    of_trial = dict(zip(trials["trial_id"], trials["cell_id"], strict=True))
    known: dict[Settings, int] = {}
    of_cells = [
        tuple(known.setdefault(settings, len(known)) for settings in parts)
        for parts in _configured(tables, trials, kept)
    ]
    return SideBySide(
        cells=tuple(place),
        settings=tuple(known),
        of_cells=tuple(of_cells),
        trials=tuple(place.get(str(of_trial[row[0]])) for row in listed.rows),
        answers=() if under_way else _answers(paths, tables, trials, kept, classes),
    )


# How cells are configured, all defaults filled in.


def _configured(tables: TablesRead, trials: pd.DataFrame, cells: pd.DataFrame) -> Iterator[list[Settings]]:
    first = trials.drop_duplicates("cell_id").set_index("cell_id")["trial_id"]
    columns = [f"{part}_config" for part in _PARTS]
    rows = tables.wanted(TRIALS, ["trial_id", *columns], [("trial_id", "in", list(first))]).set_index("trial_id")
    for cell, tuned in zip(cells["cell_id"], cells["tuned"], strict=True):
        configs = rows.loc[first[cell]] if first[cell] in rows.index else {}
        parts = [_settings(part, configs.get(f"{part}_config")) for part in _PARTS]
        yield [*parts, (("tuning chose", shown_text(tuned)),) if isinstance(tuned, str) else ()]


def _settings(part: str, config: object) -> Settings:
    if config == TRAINED_NET["deployment_config"]:
        return ()
    return tuple(_flat(part, json.loads(config))) if isinstance(config, str) else ()


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A component is named by its axis; of several, as regularizers are, each has its own name before its parameters."""
    if isinstance(value, dict):
        if "name" in value:
            yield name, str(value["name"])
        for key, part in value.items():
            if key != "name":
                yield from _flat(f"{name}.{key}", part)
    elif isinstance(value, list) and value and all(isinstance(part, dict) and "name" in part for part in value):
        yield name, ", ".join(str(part["name"]) for part in value)
        for part in value:
            yield from _flat(f"{name}.{part['name']}", {key: own for key, own in part.items() if key != "name"})
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)


# What their trials answer.


def _answers(
    paths: ResultsPaths, tables: TablesRead, trials: pd.DataFrame, ranked: pd.DataFrame, classes: Classes
) -> tuple[Answers, ...]:
    try:
        predicted = predicted_trials(paths)
        done = trials[(trials["status"] == "completed") & trials["trial_id"].isin(list(predicted))]
        found = []
        for dataset in [name for name in ranked["dataset"].unique() if name in classes][:_DATASETS_ASKED]:
            own = done[done["dataset"] == dataset]
            cells = [cell for cell in ranked["cell_id"] if cell in set(own["cell_id"])][:_CELLS_ASKED]
            split_id, asked = shared_split(own, cells, predicted)
            if len(asked) > 1:
                found.append(_answered(paths, split_id, asked, list(ranked["cell_id"]), classes[dataset]))
    except OrchError as unreadable:
        if str(unreadable) not in tables.damage:
            tables.damage.append(str(unreadable))
        return ()
    return tuple(found)


def _answered(
    paths: ResultsPaths,
    split_id: str,
    asked: pd.DataFrame,
    cells: Sequence[str],
    classes: tuple[tuple[int, ...], tuple[str, ...]],
) -> Answers:
    answers = split_predictions(paths, split_id, list(asked["trial_id"]))
    cell_of = dict(zip(asked["trial_id"], asked["cell_id"], strict=True))
    right = answers.correct
    apart = np.minimum(right.sum(axis=0), (~right).sum(axis=0))
    order = np.argsort(-apart, kind="stable")
    named = order[apart[order] > 0][:_EXAMPLES_NAMED]
    rows = examples_of(paths, [split_id]).take(named)
    names = dict(zip(*classes, strict=True))
    return Answers(
        cells=tuple(cells.index(cell_of[trial_id]) for trial_id in answers.trial_ids),
        examples=right.shape[1],
        right=tuple(b64encode(np.packbits(row, bitorder="little").tobytes()).decode() for row in right),
        named=tuple(map(int, named)),
        sources=tuple(str(source)[:_NAME] for source in rows["source"].to_pylist()),
        targets=tuple(names.get(int(target), str(target)) for target in rows["target"].to_pylist()),
    )
