"""How nets do under corruptions: a row for each cell, from the clean pictures to the most corrupted."""

from typing import Final

import pandas as pd

from orchestrator.report.measured.section import CELL, Section, cells_table, measured
from orchestrator.report.page_data import Column
from orchestrator.store.frames import TablesRead
from results_schema import CORRUPTIONS
from trainables import AXES

_ABOUT: Final = (
    "Accuracy on the same test pictures as they are and under corruptions, mean over the corruptions of each severity and"
    " over seeds. The worst corruption is the one with the least mean accuracy over its severities. The table"
    " corruptions.parquet has each by itself, with cross-entropy and calibration error."
)
_MCE: Final = (
    " mCE is the mean corruption error (Hendrycks and Dietterich 2019): for each corruption the errors of all severities"
    " over those of {}, and the mean of these; below 1 is better than that. It weighs most where that net is good, so read"
    " it beside the accuracies."
)


def corruptions(tables: TablesRead, trials: pd.DataFrame) -> Section | None:
    """trials: completed ones. None where none of them was measured so."""
    rows = measured(tables, trials, CORRUPTIONS, ["corruption", "severity", "n", "accuracy"])
    if rows.empty:
        return None
    corrupted = rows[rows["severity"] > 0]
    grouped = rows.groupby(CELL)
    figures = rows.groupby([CELL, "severity"])["accuracy"].mean().unstack("severity")
    columns = [Column(f"severity {severity}" if severity else "clean", "number") for severity in figures.columns]
    references = _references(rows)
    about = _ABOUT
    if len(references) > len(set(references)):  # else each would be compared with itself
        figures["mCE"] = mean_corruption_errors(corrupted, references)
        columns.append(Column("mCE", "number"))
        about += _MCE.format(_named(rows, references))
    figures = figures.assign(worst=_worst(corrupted), pictures=grouped["n"].first(), seeds=grouped["seed"].nunique())
    columns += [Column("worst corruption", "text"), Column("pictures", "count"), Column("seeds", "count")]
    table = cells_table(rows, columns, figures)
    return Section("corruptions", "Corrupted pictures", about, "Accuracy under corruptions", table)


def mean_corruption_errors(corrupted: pd.DataFrame, references: "pd.Series[int]") -> "pd.Series[float]":
    """By cell; missing where the reference makes no error.

    Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (ICLR 2019),
    section 4, with errors that are means over trials. Counted are the corruptions and severities that both have.
    corrupted: rows with a severity above 0. references: by cell, that whose errors its own are divided by.
    """
    errors = 1 - corrupted.groupby([CELL, "corruption", "severity"])["accuracy"].mean().unstack(
        ["corruption", "severity"]
    )
    theirs = errors.reindex(references.loc[errors.index]).set_axis(errors.index)
    own, of = (
        each.where(errors.notna() & theirs.notna()).T.groupby(level="corruption").sum(min_count=1).T
        for each in (errors, theirs)
    )
    return (own / of.where(of > 0)).mean(axis=1)


def _references(rows: pd.DataFrame) -> "pd.Series[int]":
    """By cell, the first cell of its data set."""
    cells = rows.drop_duplicates(CELL).set_index(CELL)
    first = cells.reset_index().groupby("dataset")[CELL].first()
    return cells["dataset"].map(first)


def _named(rows: pd.DataFrame, references: "pd.Series[int]") -> str:
    """The references by the axes on which the measured cells differ; by the model where that is none."""
    differing = [axis for axis in AXES if axis != "dataset" and rows[axis].nunique() > 1] or ["model"]
    cells = rows.drop_duplicates(CELL).set_index(CELL).loc[references.unique()]
    names = [" ".join(map(str, levels)) for levels in cells[differing].itertuples(index=False)]
    if len(set(names)) == 1:
        return names[0]
    return ", ".join(f"{name} on {dataset}" for name, dataset in zip(names, cells["dataset"], strict=True))


def _worst(corrupted: pd.DataFrame) -> "pd.Series[str]":
    """By cell, the corruption with the least accuracy, and that."""
    of_kind = corrupted.groupby([CELL, "corruption"], as_index=False)["accuracy"].mean()
    least = of_kind.loc[of_kind.groupby(CELL)["accuracy"].idxmin()].set_index(CELL)
    named = [f"{each.corruption} ({each.accuracy:.3f})" for each in least.itertuples()]
    return pd.Series(named, least.index, dtype=object)
