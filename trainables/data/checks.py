"""Whether decoded examples are what their data set says of itself, so that training need not ask."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from trainables.data.subset import SeededSplit
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples, Outline
from trainables.errors import BrokenImage, DataError, each_of
from trainables.task import task_named

_CHUNK: Final = 1024


def check_examples(examples: Examples, info: DataInfo) -> None:
    """Raises DataError where types, shapes or values are not those of `Examples` and `info`."""
    faults = (*_forms(examples, info),) or (*_values(examples, info),)
    if faults:
        raise DataError(f"the data set {info.name} cannot be used: {'; '.join(faults)}")


def same_names(classes: Iterable[str]) -> list[str]:
    """Names that a reader would see on more than one class: spaces, and how Unicode spells a letter, tell none apart."""
    seen = Counter(" ".join(normalize("NFC", name).split()) for name in classes)
    return sorted(name for name, count in seen.items() if count > 1)


def _forms(examples: Examples, info: DataInfo) -> Iterator[str]:
    """Yield what is wrong with types and shapes."""
    inputs, targets, official = examples.inputs, examples.targets, examples.official_test
    if not len(inputs):
        yield "it has no examples"
    if inputs.dtype not in (np.uint8, np.float32):
        yield f"inputs are {inputs.dtype}, and have to be uint8 or float32"
    if inputs.shape[1:] != info.shape:
        yield f"an input has the shape {inputs.shape[1:]}, and the data set says {info.shape}"
    if 0 in inputs.shape[1:]:
        yield f"an input of the shape {inputs.shape[1:]} has no pixels"
    target_type = np.int64 if info.classes else np.float32
    if targets.dtype != target_type:
        yield f"targets are {targets.dtype}, and have to be {np.dtype(target_type)}"
    target_shape = (len(inputs), *task_named(info.task).target_shape(info))
    if targets.shape != target_shape:
        yield f"targets have the shape {targets.shape}, and have to have {target_shape}"
    groups = examples.groups
    if groups is not None and (groups.dtype != np.int64 or groups.shape != (len(inputs),)):
        yield f"groups are {groups.dtype} {groups.shape}, and have to be int64 {(len(inputs),)}"
    twice = same_names(info.classes)
    if twice:
        yield f"two of its classes are called {' and two '.join(twice)}, so they cannot be told apart"
    if official.dtype != np.bool_ or official.shape != (len(inputs),):
        yield f"official_test is {official.dtype} {official.shape}, and has to be bool {(len(inputs),)}"


def _values(examples: Examples, info: DataInfo) -> Iterator[str]:
    """Yield what is wrong with numbers, once types and shapes are right."""
    if examples.inputs.dtype == np.float32:
        # written so that a NaN counts as outside
        outside = _first(examples.inputs, lambda chunk: ~((chunk >= 0) & (chunk <= 1)))
        if outside is not None:
            yield f"the input of example {outside} has values that are not in 0..1"
    if examples.groups is not None and (examples.groups < 0).any():
        yield "some of its groups are negative numbers"
    if info.classes:
        unknown = _first(examples.targets, lambda chunk: (chunk < 0) | (chunk >= len(info.classes)))
        if unknown is not None:
            yield f"example {unknown} has the label {examples.targets[unknown]}, of {len(info.classes)} classes"
    else:
        undefined = _first(examples.targets, lambda chunk: ~np.isfinite(chunk))
        if undefined is not None:
            yield f"example {undefined} has a target that is not finite"


def _first(values: NDArray[Any], is_wrong: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> int | None:
    """The first example with a wrong value, looking at a part of them at a time."""
    for start in range(0, len(values), _CHUNK):
        wrong = is_wrong(values[start : start + _CHUNK])
        if wrong.any():
            return start + int(np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))[0])
    return None


# All that is wrong with a data set at once, as far as it shows before every image has been read whole.


def with_split_faults(
    error: DataError, dataset: Dataset, location: DataLocation, dividing: SeededSplit
) -> list[DataError]:
    """Return what was found, and what the splits would lack besides, once the images that it names are removed."""
    whole_read = dataset.unreadable(location)
    known_broken = {path for part in whole_read for path in _broken(part)}
    # headers tell of some that reading whole files has found as well
    found = [part for part in each_of(error) if isinstance(part, DataError) and not _is_among(part, known_broken)]
    found += whole_read
    broken = {path for part in found for path in _broken(part)}
    try:
        whole, outline = dataset.outline(location), dataset.outline(location, broken)
    except DataError:  # it has been found, or hides behind what has
        return found
    if whole is None or outline is None:
        return found
    known = {str(part) for part in found}
    lacking = [*_unreadable(whole, outline), *split_faults(dataset, outline, dividing)]
    return [*found, *(part for part in lacking if str(part) not in known)]


def split_faults(
    dataset: Dataset, outline: Outline, dividing: SeededSplit, hashes: NDArray[np.uint64] | None = None
) -> list[DataError]:
    """Return what cannot be divided.

    hashes: as in `Contents`. Without, it is what cannot be whatever the images show: copies among them make it worse,
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
    return (error.path, *error.others) if isinstance(error, BrokenImage) else ()


def _is_among(error: DataError, broken: set[str]) -> bool:
    return isinstance(error, BrokenImage) and broken.issuperset(_broken(error))


def _unreadable(whole: Outline, kept: Outline) -> list[DataError]:
    """Classes of which every image is broken."""
    if not whole.classes:
        return []
    lost = np.setdiff1d(whole.targets, kept.targets).tolist()
    return [
        DataError(f"no image of the class {whole.classes[label]} can be read; add some, or leave the class out")
        for label in lost
    ]
