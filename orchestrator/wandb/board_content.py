"""What the sweep's report at W&B says and shows, out of the tables. Knows no W&B."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from orchestrator.evidence.pictures import KeptPictures
from orchestrator.evidence.selection import SCORES, Measure, is_open, measures_of
from orchestrator.grid.measures import stored_column
from orchestrator.report import summary as page_summary
from orchestrator.report.claims import claim_section
from orchestrator.results.confirmed import confirmed
from orchestrator.results.ranked import (
    COSTS,
    broken,
    class_counts,
    counted_as,
    evaluating,
    ranked_cells,
    scope_of,
    tuned_label,
)
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import open_journal
from orchestrator.wandb.runs import EXPLANATIONS, SAMPLES, model_id
from results_schema import CLASSES, CURVES, ENVIRONMENTS, MEASUREMENTS
from trainables import AXES

_MAX_MODELS: Final = 20
"""Run sets; W&B shows 500 to 1,000 runs in a chart anyway."""
_MAX_CELLS: Final = 50
"""Rows of a leaderboard."""
_MAX_CLASSES: Final = 20
_LONGEST_TITLE: Final = 128
_GROUP: Final = "Group"
"""The attribute of a run: its cell."""
_COLUMNS: Final = [
    *("trial_id", "cell_id", "purpose", "tuned", "sweep", "planned", *AXES, "model_config", "seed", "status"),
    *("best_epoch", *SCORES, *COSTS),
]


@dataclass(frozen=True, slots=True)
class ModelSet:
    """A run set."""

    label: str
    model_id: str


@dataclass(frozen=True, slots=True)
class Section:
    """Panels that stand together. Names are of columns, each with its title."""

    title: str
    grouped_by: str
    lines: tuple[tuple[str, str], ...] = ()
    bars: tuple[tuple[str, str], ...] = ()
    scalars: tuple[tuple[str, str, str], ...] = ()
    """Name, title, and whether the greatest or the least over the runs is shown."""
    axes: tuple[tuple[str, str], ...] = ()
    parallel: tuple[tuple[str, str], ...] = ()
    comparer: bool = False
    confusion: bool = False
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What the W&B report of one sweep shows."""

    title: str
    workspace: str
    """Its name, without signs that W&B refuses there."""
    description: str
    results_id: str
    summary: tuple[str, ...]
    tables: tuple[tuple[str, str], ...]
    """Title, and a table of Markdown."""
    models: tuple[ModelSet, ...]
    sections: tuple[Section, ...]
    command: str


def read_content(paths: ResultsPaths) -> Content:
    """Raises UserError, DamagedResults."""
    tables = TablesRead(paths)
    every = tables.every_trial(_COLUMNS)
    trials = evaluating(every)
    ranked = ranked_cells(trials, class_counts(trials, tables), KeptPictures(paths))
    journal = open_journal(paths)
    results_id = journal.directory_id
    journal.close()
    sweep = str(trials["sweep"].iloc[-1]) if len(trials) else paths.root.name
    environments = tables.wanted(ENVIRONMENTS, ["started_at", "command", "grid"])
    claims = tuple(_claims(paths, environments["grid"].dropna(), under_way=is_open(trials["status"])))
    return Content(
        title=f"{sweep}: report"[:_LONGEST_TITLE],
        workspace=f"orch {sweep.encode('ascii', 'ignore').decode()} {results_id}",
        # by the id, a report is found whose address was not kept
        description=f"{len(ranked)} cells, {len(trials)} trials. Written by orch for results {results_id}; "
        "comments stay when it is updated.",
        results_id=results_id,
        summary=(*_summary(trials, ranked), *(f"{line}." for one in confirmed(paths) for line in one.lines)),
        tables=(*claims, *_tables(tables, trials, ranked)),
        models=tuple(_models(trials)),
        sections=tuple(_sections(trials, tables, paths)),
        command=str(environments["command"].iloc[-1]) if len(environments) else "orch sweep GRID",
    )


def _summary(trials: pd.DataFrame, ranked: pd.DataFrame) -> Iterator[str]:
    counts = ", ".join(f"{count} {status}" for status, count in trials["status"].value_counts().items())
    yield f"{len(trials)} trials of {len(ranked)} cells: {counts}."
    for winner in page_summary.winners(measures_of(trials), ranked, ()):
        interval = f" [{winner.interval}]" if winner.interval else ""
        sure = " ".join(f"{notice.what} {notice.do}".rstrip() for notice in winner.sure)
        yield f"{winner.dataset}: {winner.label} comes first, {winner.score}{interval} ({winner.title}). {sure}"
    yield page_summary.failure_summary(ranked)


def _models(trials: pd.DataFrame) -> Iterator[ModelSet]:
    there = trials.drop_duplicates("model_config")
    for label, config in list(zip(there["model"], there["model_config"], strict=True))[:_MAX_MODELS]:
        yield ModelSet(str(label), model_id(config))


def _tables(tables: TablesRead, trials: pd.DataFrame, ranked: pd.DataFrame) -> Iterator[tuple[str, str]]:
    measures = measures_of(trials)
    for dataset, cells in ranked.groupby("dataset", sort=False):
        measure = measures[str(dataset)]
        more = f" The first {_MAX_CELLS} of {len(cells)} cells." if len(cells) > _MAX_CELLS else ""
        broke = f"Trials that diverged or failed count as {counted}." if (counted := counted_as(cells)) else ""
        about = f"{scope[0].upper()}{scope[1:]}." if (scope := scope_of(cells)) else ""
        words = _plain(" ".join(filter(None, (about, broke))))
        board = _leaderboard(cells.head(_MAX_CELLS), measure) + more
        yield f"Leaderboard of {dataset}", f"{words}\n\n{board}" if words else board
        if measure.split == "validation":  # a confusion matrix is of the test split
            continue
        first = cells.iloc[0]
        done = trials[(trials["cell_id"] == first["cell_id"]) & (trials["status"] == "completed")]
        if len(done) and (counts := _confusion(tables, str(done["trial_id"].iloc[0]))):
            seed = done["seed"].iloc[0]
            yield f"Confusion matrix of {dataset}", f"{_plain(tuned_label(first))}, seed {seed}\n\n{counts}"


def _claims(paths: ResultsPaths, grids: Iterable[str], *, under_way: bool) -> Iterator[tuple[str, str]]:
    section, why_not = claim_section(paths, grids, under_way=under_way)
    if why_not is not None:
        yield "Claims", _plain(why_not)
    if section is None:
        return
    rows = [
        (
            claim.id,
            claim.verdict_text,
            claim.text,
            "; ".join(filter(None, (claim.effect, claim.sureness))),
            claim.decide or "",
        )
        for claim in section.claims
    ]
    heads = ("claim", "verdict", "what it says", "effect", "what would decide it")
    yield "Claims", f"{section.summary}.\n\n{markdown_table(heads, rows)}"
    if section.withdrawn:
        yield "Claims of earlier grids", _plain(section.withdrawn)


def _leaderboard(cells: pd.DataFrame, measure: Measure) -> str:
    shared = cells["ties"].sum() > 1
    rows = [
        (
            "" if pd.isna(cell["rank"]) else f"{cell['rank']:.0f}",
            tuned_label(cell),
            _number(cell["mean"]),
            "" if pd.isna(cell["low"]) else f"{cell['low']:.4f} to {cell['high']:.4f}",
            "yes" if cell["ties"] is True and shared else "",
            f"{cell['n']:.0f}",
            str(count) if count else "",
        )
        for (_, cell), count in zip(cells.iterrows(), broken(cells), strict=True)
    ]
    heads = ("rank", "cell", f"mean {measure.score}", "95 % interval", "ties with the first", "seeds", "broke")
    return markdown_table(heads, rows)


def _confusion(tables: TablesRead, trial_id: str) -> str:
    of_trial = [("trial_id", "in", [trial_id])]
    classes = tables.wanted(CLASSES, ["class_index", "class_name"], of_trial)
    names = dict(zip(classes["class_index"], classes["class_name"], strict=True))
    curves = tables.wanted(CURVES, ["curve", "class_index", "other_index", "y"], of_trial)
    counts = curves[curves["curve"] == "confusion"]
    if counts.empty or len(names) > _MAX_CLASSES:
        return ""
    places = zip(counts["class_index"], counts["other_index"], strict=True)
    known = dict(zip(places, counts["y"].astype(int), strict=True))
    rows = [
        (str(names[true]), *(str(known.get((true, guess), 0)) for guess in sorted(names))) for true in sorted(names)
    ]
    return markdown_table(("true, predicted", *(str(names[guess]) for guess in sorted(names))), rows)


def _sections(trials: pd.DataFrame, tables: TablesRead, paths: ResultsPaths) -> Iterator[Section]:
    measures = dict.fromkeys(measures_of(trials).values())
    lines = {stored_column(measure.epoch): f"validation {measure.title}" for measure in measures}
    lines |= {"train_loss": "training loss", "val_loss": "validation loss"}
    scored = [(stored_column(measure.shown), measure.score) for measure in measures]
    yield Section("Learning curves", _GROUP, lines=tuple(lines.items()))
    yield Section(
        "Results",
        _GROUP,
        bars=(*scored, ("total_seconds", "training in all, s")),
        scalars=tuple(
            (
                stored_column(measure.validation),
                f"best validation {measure.title}",
                "max" if measure.higher_is_better else "min",
            )
            for measure in measures
        ),
        axes=tuple((f"{axis}_label", axis) for axis in AXES),
        parallel=(*scored, ("total_seconds", "training in all, s")),
        comparer=True,
        confusion=any(measure.confusion and measure.split == "test" for measure in measures),
        media=tuple(_media(trials, tables, paths)),
    )


def _media(trials: pd.DataFrame, tables: TablesRead, paths: ResultsPaths) -> Iterator[str]:
    """What runs have of images: those that trials have kept, and those of measurements."""
    kept = {path.stem for path in paths.all_images.glob("*.png")}
    if kept & set(trials["trial_id"]):
        yield SAMPLES
    if kept & set(tables.wanted(MEASUREMENTS, ["trial_id"])["trial_id"]):
        yield EXPLANATIONS


def markdown_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Names in it stay text: they may come from a user's folders."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    shown = ["| " + " | ".join(cell if cell == "---" else _plain(cell) for cell in line) + " |" for line in lines]
    return "\n".join(shown) + "\n"


def _plain(text: str) -> str:
    """Escape what Markdown and HTML would read as their own."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{sign}" if sign in "\\`*_[]|" else sign for sign in text).replace("\n", " ")


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.4f}"
