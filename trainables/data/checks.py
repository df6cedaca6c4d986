"""Whether decoded examples are what their data set says of itself, so that training need not ask."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from trainables.dataset import DataInfo, Examples
from trainables.errors import DataError

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
    """What is wrong with types and shapes."""
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
    target_shape = (len(inputs),) if info.classes else (len(inputs), info.targets)
    if targets.shape != target_shape:
        yield f"targets have the shape {targets.shape}, and have to have {target_shape}"
    groups = examples.groups
    if groups is not None and (groups.dtype != np.int64 or groups.shape != (len(inputs),)):
        yield f"groups are {groups.dtype} {groups.shape}, and have to be int64 {(len(inputs),)}"
    twice = same_names(info.classes)
    if twice:
        yield f"two of its classes are called {' and two '.join(twice)}, so that nobody could tell them apart"
    if official.dtype != np.bool_ or official.shape != (len(inputs),):
        yield f"official_test is {official.dtype} {official.shape}, and has to be bool {(len(inputs),)}"


def _values(examples: Examples, info: DataInfo) -> Iterator[str]:
    """What is wrong with numbers, once types and shapes are right."""
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
