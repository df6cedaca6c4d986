"""Galleries of explanations: the sheets that measurements have kept, as the page shows them."""

from base64 import b64encode
from collections.abc import Hashable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from typing import Any, Final

import pandas as pd
from PIL import Image

from orchestrator.errors import OrchError
from orchestrator.report.measured.section import Section, SectionImage, SectionImages
from orchestrator.store.files import content_of
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from orchestrator.text import counted
from results_schema import EXPLANATIONS, MEASUREMENTS
from trainables import METHOD_AXES, levels_shown
from trainables.stages.explained_sheet import Sheet, read_sheet

MOST: Final = 4
"""Sheets of a data set that are shown."""
_MOST_BYTES: Final = 1_000_000
"""Of all sheets together, as they stand in the page."""
_COLOURS: Final = 256
_LONGEST: Final = 1_500
"""Signs of the text in place of a sheet."""


def with_sheets(
    sections: Iterable[Section], paths: ResultsPaths, tables: TablesRead, trials: pd.DataFrame, ranked: pd.DataFrame
) -> Iterator[Section]:
    """The same, where that on explanations has its sheets. ranked: the cells, the best first in each data set."""
    for section in sections:
        if section.name == EXPLANATIONS.name:
            completed = trials[trials["status"] == "completed"]
            yield replace(section, images=_images(paths, tables, completed, ranked))
        else:
            yield section


def _images(
    paths: ResultsPaths, tables: TablesRead, trials: pd.DataFrame, ranked: pd.DataFrame
) -> SectionImages | None:
    """Of each cell that has one, the sheet of the trial with the least seed; the best cells of each data set first.

    trials: completed ones. None where no sheet was kept.
    """
    kept = _kept(paths, tables, trials)
    if kept.empty:
        return None
    place = {cell: number for number, cell in enumerate(ranked["cell_id"])}
    own = kept.assign(place=[place.get(cell, len(place)) for cell in kept["cell_id"]])
    first = own.sort_values(["place", "seed"], kind="stable").drop_duplicates("cell_id")
    shown, room = [], _MOST_BYTES
    for row in first.groupby("dataset", sort=False).head(MOST).to_dict("records"):
        image = _image(paths, row)
        if image is not None and len(image.image) <= room:
            shown.append(image)
            room -= len(image.image)
    if not shown:
        return None
    left = len(kept) - len(shown)
    about = (
        "Test pictures that the net answers rightly and is surest of, or least sure of, and the surest of its mistakes:"
        " maps over the picture in grey, of one trial of each cell, the best cells first."
    )
    if left:
        about += f" {counted(left, 'more sheet').capitalize()} {'is' if left == 1 else 'are'} in pictures/."
    return SectionImages(about, tuple(shown))


def _kept(paths: ResultsPaths, tables: TablesRead, trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that have a sheet, with the name that it is kept under."""
    columns = ["trial_id", "parent_id", "measurement", "status"]
    every = tables.wanted(MEASUREMENTS, columns, [("status", "=", "completed")])
    there = every[every["trial_id"].map(lambda kept_as: _is_there(paths, str(kept_as))).astype(bool)]
    named = there.rename(columns={"trial_id": "kept_as", "parent_id": "trial_id"})
    return trials.merge(named[["trial_id", "kept_as"]], on="trial_id")


def _is_there(paths: ResultsPaths, measurement_id: str) -> bool:
    with suppress(OrchError, OSError):
        return paths.image(measurement_id).is_file()
    return False


def _image(paths: ResultsPaths, row: dict[Hashable, Any]) -> SectionImage | None:
    """None where what lies there is no sheet. It is drawn anew, so that the page holds its pixels and nothing else."""
    sheet: Sheet | None = None
    with suppress(OrchError, OSError):
        sheet = read_sheet(content_of(paths.image(str(row["kept_as"]))))
    if sheet is None:
        return None
    written = BytesIO()
    few = sheet.image.quantize(
        _COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )  # a third of the bytes, and no hue lost
    few.save(written, "PNG", optimize=True)
    levels = " ".join(levels_shown([str(row[axis]) for axis in METHOD_AXES]))
    label = f"{levels} seed {row['seed']}"
    address = f"data:image/png;base64,{b64encode(written.getvalue()).decode()}"
    return SectionImage(str(row["dataset"]), label, str(row["trial_id"]), address, "".join(_told(sheet))[:_LONGEST])


def _told(sheet: Sheet) -> Iterator[str]:
    methods = ", ".join(method.replace("_", " ") for method in sheet.contents.methods)
    yield f"Maps by {methods or 'no method'}. "
    yield "; ".join(row.text for row in sheet.contents.rows)
