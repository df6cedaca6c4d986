"""The card of one data set that a user names on the command line: `orch data`."""

from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from clusters.yaml_file import YamlList
from orchestrator.errors import GridError, UserError
from orchestrator.grid.axes import read_entry
from orchestrator.grid.mistakes import Mistakes, grid_error
from orchestrator.grid.source import parse_source
from orchestrator.plan.prepare import data_location
from orchestrator.text import one_line
from trainables.data.card import ClassImages, DataCard, DataView
from trainables.data.checks import with_split_faults
from trainables.data.subset import SeededSplit
from trainables.dataset import DataLocation, Dataset
from trainables.errors import DataError
from trainables.protocol import Splits
from trainables.registry import registry


def look_at(
    level: str, data: Path | None, *, of_each: int, max_classes: int, whole: bool = False
) -> tuple[DataCard, tuple[ClassImages, ...]]:
    """The card of a data set, and images of each class.

    level: a name, a folder of images, or a level as a grid would hold it, `{name: image_folder, path: birds}`; a relative
    path is looked for in the working folder, then in the data folder. Raises UserError: no such data set, parameters that
    it does not have, files that are missing or damaged. whole: whether every image is read whole and all are divided, so
    that what a sweep would find is found.
    """
    location = replace(data_location(data, None), beside=Path.cwd())
    dataset, dividing = images_at(level, location) or read_level(level), SeededSplit(Splits(), seed=0)
    try:
        view = DataView(dataset, location)
        if whole:
            view.refuse_unfit(dividing)
        return view.card(), view.images(of_each, max_classes)
    except DataError as error:
        errors = with_split_faults(error, dataset, location, dividing)
        raise UserError("\n".join(one_line(str(part)) for part in errors)) from error


_OF_FILES: Final = {".csv": "image_csv", ".tsv": "image_csv", ".parquet": "image_parquet"}
"""The data set that reads such a file of a user's, by its ending."""


def images_at(text: str, location: DataLocation) -> Dataset | None:
    """The data set that a path means; None where it is none. A data set's own name goes before that of a path.

    Raises UserError where it can be nothing but a path, and leads to nothing that can be named in a grid.
    """
    if text in registry.names("dataset") or not text.strip():
        return None
    try:
        text.encode()
        path = location.find(str(Path(text).expanduser()))
    except (OSError, RuntimeError, ValueError) as refused:
        raise UserError(f"{text!r} is not a data set: {refused}") from None
    if path is not None:
        name = "image_folder" if path.is_dir() else _OF_FILES.get(path.suffix.lower())
        if name is not None:
            return cast(Dataset, registry.get("dataset", name).from_parameters({"path": str(path)}))
    if text.startswith(("/", "./", "../", "~")):
        raise UserError(
            f"{text} is {'not there' if path is None else 'a file of another kind'}; a data set is a folder with one folder"
            " of images for each class, a CSV or Parquet file of images, a name from `orch list dataset`, or a level as in a"
            " grid, such as '{name: image_csv, path: labels.csv, label: diagnosis}'"
        )
    return None


def read_level(text: str) -> Dataset:
    """The data set that a level means. Raises UserError with all that is wrong in it."""
    called = Path("DATASET")
    try:
        root = parse_source(f"dataset: {text}", called)
        written = root.get("dataset")
        if written is None or isinstance(written, YamlList) or len(root) > 1:
            raise UserError(f"{text!r} is not one data set; give a name, or a mapping with a name and parameters")
        entry = read_entry("dataset", written)
    except (GridError, Mistakes) as wrong:
        error = grid_error(called, wrong.placed(root, root.at)) if isinstance(wrong, Mistakes) else wrong
        message = "; ".join(problem.message for problem in error.problems)
        raise UserError(f"{text!r} is not a data set: {message}") from None
    if len(entry) != 1:
        raise UserError(f"{text!r} means {len(entry)} data sets, one for each value of a list; name one")
    (part,) = next(iter(entry))
    return cast(Dataset, part.build())
