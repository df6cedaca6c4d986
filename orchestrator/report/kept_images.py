"""What trials have kept to show of themselves, such as the samples of a generator, as the page shows it."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import Final

import pandas as pd
from PIL import Image

from orchestrator.errors import OrchError
from orchestrator.store.files import content_of
from orchestrator.store.paths import ResultsPaths
from trainables import METHOD_AXES, levels_shown

MOST: Final = 12
"""Cells of a data set that are shown."""
_SIDE: Final = 384
"""Pixels of the longer side, at most."""
_MOST_PIXELS: Final = 1 << 25
"""Of an image that is read: what trials keep is far smaller."""


@dataclass(frozen=True, slots=True)
class KeptImage:
    """The image of one trial of a cell."""

    dataset: str
    label: str
    """The levels of its cell, and its seed."""
    trial_id: str
    image: str
    """An address that holds all of it; empty where it cannot be read."""


def kept_images(paths: ResultsPaths, trials: pd.DataFrame, ranked: pd.DataFrame) -> tuple[KeptImage, ...]:
    """Of each cell that has one, the image of the trial with the least seed; the best cells of each data set first."""
    own = trials.sort_values("seed", kind="stable")
    there = own[[_is_there(paths, str(trial_id)) for trial_id in own["trial_id"]]].drop_duplicates("cell_id")
    if there.empty:
        return ()
    place = {cell: number for number, cell in enumerate(ranked["cell_id"])}
    placed = there.assign(place=[place.get(cell, len(place)) for cell in there["cell_id"]])
    first = placed.sort_values("place", kind="stable").groupby("dataset", sort=False).head(MOST)
    return tuple(_shown(paths, first))


def _is_there(paths: ResultsPaths, trial_id: str) -> bool:
    with suppress(OrchError, OSError):
        return paths.image(trial_id).is_file()
    return False


def _shown(paths: ResultsPaths, trials: pd.DataFrame) -> Iterator[KeptImage]:
    for row in trials.to_dict("records"):
        levels = " ".join(levels_shown([str(row[axis]) for axis in METHOD_AXES]))
        trial_id = str(row["trial_id"])
        yield KeptImage(str(row["dataset"]), f"{levels} seed {row['seed']}", trial_id, _address(paths, trial_id))


def _address(paths: ResultsPaths, trial_id: str) -> str:
    """Drawn anew, so that the page holds an image and nothing else that may stand in the file."""
    with suppress(
        OrchError, OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning
    ):
        with Image.open(BytesIO(content_of(paths.image(trial_id))), formats=("PNG",)) as image:
            if prod(image.size) > _MOST_PIXELS:
                return ""
            plain = image.convert("RGB" if image.mode not in ("1", "L") else "L")
        plain.thumbnail((_SIDE, _SIDE))
        drawn = BytesIO()
        plain.save(drawn, "PNG")
        return f"data:image/png;base64,{b64encode(drawn.getvalue()).decode()}"
    return ""
