"""Whether a split is one: no example, no content and no group stands in two of its parts."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from trainables.data.splits import Split
from trainables.errors import DataError


def refuse_leaks(
    split: Split, unlabelled: NDArray[np.int64], hashes: NDArray[np.uint64], groups: NDArray[np.int64] | None
) -> None:
    """Raises DataError where training (labelled or not), validation and test share something.

    hashes: (examples,), equal where the inputs are; groups: as in Examples. Asked of every split before it is trained
    on: it takes some ten milliseconds for 70,000 examples.
    """
    train = np.concatenate([split.train, unlabelled])
    parts = {"training": train, "validation": split.val, "test": split.test}
    shared = {"examples": np.arange(len(hashes)), "pictures of equal content": hashes}
    if groups is not None:
        shared["groups"] = groups
    for (one, here), (other, there) in combinations(parts.items(), 2):
        for what, labels in shared.items():
            common = np.intersect1d(labels[here], labels[there])
            if len(common):
                raise DataError(
                    f"the {one} and the {other} split share {len(common)} {what}, so the figures of the one would "
                    f"tell nothing of the other; this is a fault of the program or of a plug-in: please report it"
                )
