"""All that is wrong with a data set at once, as far as it shows before every picture has been read whole."""

import numpy as np
from numpy.typing import NDArray

from trainables.data.division import Dividing
from trainables.dataset import DataPlace, Dataset
from trainables.errors import BrokenPicture, DataError, each_of
from trainables.outline import Outline


def with_split_faults(error: DataError, dataset: Dataset, place: DataPlace, dividing: Dividing) -> list[DataError]:
    """What was found, and what the splits would lack besides, once the pictures that it names are removed."""
    whole_read = dataset.unreadable(place)
    known_broken = {path for part in whole_read for path in _broken(part)}
    # headers tell of some that reading whole files has found as well
    found = [part for part in each_of(error) if isinstance(part, DataError) and not _is_among(part, known_broken)]
    found += whole_read
    broken = {path for part in found for path in _broken(part)}
    try:
        whole, outline = dataset.outline(place), dataset.outline(place, broken)
    except DataError:  # it has been found, or hides behind what has
        return found
    if whole is None or outline is None:
        return found
    known = {str(part) for part in found}
    lacking = [*_unreadable(whole, outline), *split_faults(dataset, outline, dividing)]
    return [*found, *(part for part in lacking if str(part) not in known)]


def split_faults(
    dataset: Dataset, outline: Outline, dividing: Dividing, hashes: NDArray[np.uint64] | None = None
) -> list[DataError]:
    """What cannot be divided.

    hashes: as in `Contents`. Without, it is what cannot be whatever the pictures show: copies among them make it worse,
    never better; but with groups the classes of each part depend on which are copies, and are not looked at.
    """
    exact = hashes is not None and len(hashes) == len(outline)
    alike = hashes if exact and hashes is not None else np.arange(len(outline), dtype=np.uint64)
    classes = outline.classes if exact or outline.groups is None else ()
    if not len(outline):
        return []
    try:
        dividing.of(dataset, outline, alike, classes)
    except DataError as unfit:
        return [part for part in each_of(unfit) if isinstance(part, DataError)]
    return []


def _broken(error: DataError) -> tuple[str, ...]:
    return (error.path, *error.others) if isinstance(error, BrokenPicture) else ()


def _is_among(error: DataError, broken: set[str]) -> bool:
    return isinstance(error, BrokenPicture) and broken.issuperset(_broken(error))


def _unreadable(whole: Outline, kept: Outline) -> list[DataError]:
    """Classes of which every picture is broken."""
    if not whole.classes:
        return []
    lost = np.setdiff1d(whole.targets, kept.targets).tolist()
    return [
        DataError(f"no picture of the class {whole.classes[label]} can be read; add some, or leave the class out")
        for label in lost
    ]
