"""What a trial said of each test example, and which examples these are, as bytes that travel and are kept.

A probability is kept with 11 significant bits, as a float16 has them, of whichever is smaller, the probability or what it
lacks to 1: 0.999 999 stays apart from 1 as 0.000 001 does from 0. The number itself is a float32, so that what is nearer to
1 than 2^-25 is 1. Nothing that is kept is out by more than one part in 2,048 of the smaller of the two, or by 2^-25.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainables.data_options import DataOptions
from trainables.dataset import Dataset
from trainables.errors import BrokenComponent
from trainables.task import Answers

SIGNIFICANT_BITS: Final = 11
"""Of a probability, or of what it lacks to 1."""
_FAST: Final = 1
_WIDEST: Final = 16
"""Bytes that an example's entry in one array may take, a name apart."""
_HEADER: Final = 256
"""Bytes before an array's own, at most."""
_LONGEST_NAME: Final = 4096
"""Bytes of a source: what is longer is cut off."""


def rounded(probability: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return what is kept of probabilities. The order of any two stays, or they become equal; p and 1 - p stay such."""
    low = probability < 0.5
    mantissa, exponent = np.frexp(np.where(low, probability, 1 - probability))
    short = np.ldexp(np.rint(np.ldexp(mantissa, SIGNIFICANT_BITS)), exponent - SIGNIFICANT_BITS)
    return np.asarray(np.where(low, short, 1 - short), np.float32)


def refuse_unfit(answers: Answers, examples: int) -> None:
    """Raises BrokenComponent where a task, which may be a plug-in's, says something else than a number for each example."""
    arrays = {"predicted": answers.predicted, "targets": answers.targets}
    if answers.probability is not None:
        arrays["probability"] = answers.probability  # type: ignore[assignment]
    for name, array in arrays.items():
        if array.shape != (examples,) or array.dtype.kind not in "uif" or not np.isfinite(array).all():
            raise BrokenComponent(
                f"the task's answers have no finite number for each of {examples} test examples: {name}"
            )


def pack_answers(answers: Answers) -> bytes:
    """Undone by `unpacked_answers`, but for the targets, which are the split's."""
    probability = np.empty(0, np.float32) if answers.probability is None else rounded(answers.probability)
    return _packed(_narrow(answers.predicted), probability)


def unpacked_answers(packed: bytes, examples: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """What was predicted, and the probability of the truth where there is one. Raises ValueError."""
    predicted, probability = _unpacked(packed, 2, examples * _WIDEST)
    if len(predicted) != examples or len(probability) not in (0, examples):
        raise ValueError(f"its answers are {len(predicted)}, and its split has {examples} examples")
    return predicted.astype(np.float32), probability.astype(np.float32) if len(probability) else None


@dataclass(frozen=True, slots=True)
class SplitExamples:
    """The examples of one test split, in its order."""

    targets: NDArray[np.float32]
    """(examples,): as in `Answers`."""
    groups: NDArray[np.int64] | None
    """(examples,): as in `Examples`; None where each stands for itself."""
    sources: Sequence[str]
    """Of each example the file's name, or a digest of its content."""

    def __len__(self) -> int:
        return len(self.targets)

    def packed(self) -> bytes:
        groups = np.empty(0, np.int64) if self.groups is None else self.groups
        names = "\0".join(source.replace("\0", "")[:_LONGEST_NAME] for source in self.sources)
        return _packed(_narrow(self.targets), groups, np.frombuffer(names.encode("utf-8", "replace"), np.uint8))


def unpacked_split(packed: bytes, examples: int) -> SplitExamples:
    """Raises ValueError where that is none."""
    targets, groups, names = _unpacked(packed, 3, examples * (_WIDEST + 4 * _LONGEST_NAME))
    sources = names.tobytes().decode("utf-8", "replace").split("\0")
    if len(targets) != examples or len(groups) not in (0, examples) or len(sources) != examples:
        raise ValueError(f"it has {len(targets)} targets, and is to have {examples}")
    return SplitExamples(targets.astype(np.float32), groups.astype(np.int64) if len(groups) else None, sources)


def split_identity(dataset: Dataset, fingerprint: str, test: NDArray[np.int64], count: int) -> str:
    """16 hex digits that stand for a test split: which examples, of which content, and in which order.

    What is done to the examples does not count: two levels of one data set that differ in noise are tested on the same.
    count: examples in the whole data set.
    """
    plain = {name: field.default for name, field in DataOptions.model_fields.items()}
    whole = blake2b(dataset.model_copy(update=plain).digest(), digest_size=8)
    whole.update(f"{fingerprint}\n{count}\n".encode())
    whole.update(np.ascontiguousarray(test, "<i8").tobytes())
    return whole.hexdigest()


def _narrow(values: NDArray[np.float32]) -> NDArray[Any]:
    """The same numbers in fewer bytes, where all are those of classes."""
    for kind in (np.uint8, np.uint16):
        with np.errstate(invalid="ignore"):
            short = values.astype(kind)
        if np.array_equal(short, values):
            return short
    return values


def _packed(*arrays: NDArray[Any]) -> bytes:
    written = BytesIO()
    for array in arrays:
        np.save(written, np.ascontiguousarray(array), allow_pickle=False)
    return zlib.compress(written.getvalue(), _FAST)


def _unpacked(packed: bytes, arrays: int, most: int) -> list[NDArray[Any]]:
    """Raises ValueError, where it unpacks to more than `most` bytes too."""
    try:
        unpacking = zlib.decompressobj()
        read = BytesIO(unpacking.decompress(packed, most + arrays * _HEADER))
        if not unpacking.eof:
            raise ValueError("it cannot be unpacked: it is cut off, or longer than it says")
        found = [np.load(read, allow_pickle=False) for _ in range(arrays)]
    except (zlib.error, EOFError, OSError) as error:
        raise ValueError(f"it cannot be unpacked: {error}") from error
    if any(array.ndim != 1 or array.dtype.kind not in "uif" for array in found):
        raise ValueError("it is not as it was packed")
    return found
