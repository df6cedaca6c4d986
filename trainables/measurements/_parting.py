"""What a test split is parted by: names of groups, or a cut that nobody named."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.errors import CannotDeploy, UnfitOption
from trainables.measurements._by import column_in, is_cut
from trainables.measurements._clusters import clusters
from trainables.measurements._column import MOST, TOO_MANY, ExampleColumn, column_of
from trainables.measurements._drifting import of_examples
from trainables.measurements._neighbours import BATCH, distance_to_training, unit_length
from trainables.measurements._slices import Cut, brightness, confidence, contrast, quintiles
from trainables.stages.measured_net import MeasuredNet

NO_VALUE: Final = "(no value)"
_NEIGHBOUR: Final = 10
_TRAINING: Final = 5_000
"""Training examples, at most, that the nearest are looked for among."""
_BYTES: Final = 1 << 28
"""Of their features, at most."""

Labels = Sequence[str]
"""Of each example of the test split the group that it belongs to."""


def parted(net: MeasuredNet, by: str) -> Labels | Cut:
    """Part it. Raises CannotDeploy where the data do not have what it takes, DataError where their files have changed."""
    try:
        return _parted(net, by)
    except (UnfitOption, ValueError) as unfit:
        raise CannotDeploy(f"groups by {by}: {unfit}") from unfit


def _parted(net: MeasuredNet, by: str) -> Labels | Cut:
    match by:
        case "class":
            return [net.data.info.classes[target] for target in net.tested.targets.tolist()]
        case "cue":
            if (agrees := net.agrees()) is None:
                raise ValueError(f"{net.data.info.name} has none")
            return ["agrees" if each else "conflicts" for each in agrees]
        case "group":
            return _group(net)
        case "brightness":
            return quintiles(_of_images(net, brightness))
        case "contrast":
            return quintiles(_of_images(net, contrast))
        case "confidence":
            return quintiles(confidence(net.tested.outputs.double().softmax(dim=1).cpu().numpy()))
        case "distance":
            return quintiles(_distances(net))
        case "clusters":
            answers = net.tested.outputs.argmax(dim=1).cpu().numpy()
            return clusters(
                answers, net.data.info.classes, lambda places: _features(net, net.data.split.test[places]), net.seed
            )
        case _:
            return _column(net, by)


def _of_images(net: MeasuredNet, number: Callable[[NDArray[np.uint8]], NDArray[np.float64]]) -> NDArray[np.float64]:
    """A number of each test image; of many large ones, a few are in memory at a time."""
    places = np.arange(len(net.data.split.test))
    return np.concatenate([number(net.images(places[start : start + BATCH])) for start in range(0, len(places), BATCH)])


def _group(net: MeasuredNet) -> Labels:
    groups = None if net.data.tested is None else net.data.tested.groups
    if groups is None:
        raise ValueError(f"{net.data.info.name} has none")
    if (column := net.group_column) is not None:
        return _labels(_of_test(net, column))
    if (count := len(set(groups.tolist()))) > MOST:
        raise ValueError(f"{net.data.info.name} has {count:,} of them, more than {MOST:,}")
    return [str(group) for group in groups.tolist()]


def _column(net: MeasuredNet, by: str) -> Labels | Cut:
    name = column_in(by)
    assert name is not None, "what is no column has been parted by"
    column = _of_test(net, name)
    if column.is_empty:
        raise ValueError("no test example has a value")
    if is_cut(by) and column.numbers is None:
        raise ValueError("its values are not all numbers, and quintiles are of numbers")
    if column.numbers is not None and (is_cut(by) or column.is_quantity):
        return quintiles(column.numbers)
    return _labels(column)


def _of_test(net: MeasuredNet, name: str) -> ExampleColumn:
    assert net.data.tested is not None, "a net with cells has examples that were tested"
    return column_of(net.cells(name)).of(net.data.tested.indices)


def _labels(column: ExampleColumn) -> Labels:
    labels = column.labels(NO_VALUE)
    if labels is None:
        raise ValueError(TOO_MANY)
    return labels


def _distances(net: MeasuredNet) -> NDArray[np.float64]:
    """To the tenth nearest of the training examples, as far as these are looked at, between features of unit length."""
    train, test = net.data.split.train, net.data.split.test
    width = max(1, _features(net, train[:1]).nbytes)
    count = max(1, min(_TRAINING, _BYTES // width))
    rng = np.random.default_rng(net.seed)
    chosen = train if len(train) <= count else np.sort(rng.choice(train, count, replace=False))
    known = unit_length(_features(net, chosen))
    parts = (test[start : start + BATCH] for start in range(0, len(test), BATCH))
    return np.concatenate(
        [distance_to_training(unit_length(_features(net, part)), known, _NEIGHBOUR) for part in parts]
    )


def _features(net: MeasuredNet, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, d): what the net makes of examples of the data before it answers. Raises ValueError where that is not finite."""
    net.context.check()
    try:
        return np.asarray(of_examples(net, indices).features, dtype=np.float32)
    except CannotDeploy as unfit:
        raise ValueError("of some pictures the net says what is not finite") from unfit
