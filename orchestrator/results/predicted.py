"""What a trial's net says of image files: `orch predict RESULTS TRIAL IMAGES...`."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.errors import UserError
from orchestrator.results.trial_net import TrialWithNet, not_usable
from trainables.data.files import printable
from trainables.data.images import has_image_ending
from trainables.errors import BrokenImage, TrainablesError

if TYPE_CHECKING:
    import numpy as np

    from trainables.stages.trial_net import TrialNet

_SUPPORTED: Final = ("classification", "regression")
"""Tasks of which an answer is a class, or numbers."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that was named, or found in a folder that was."""

    path: Path
    unread: str | None = None
    """Why it is not read; None where it is."""

    @property
    def shown(self) -> str:
        return printable(str(self.path))


@dataclass(frozen=True, slots=True)
class FileSaid:
    """What the net says of one file."""

    file: str
    label: str | None = None
    """The class; None where numbers are predicted, or the file could not be read."""
    likely: tuple[tuple[str, float], ...] = ()
    """The most probable classes with their probabilities, the first first."""
    numbers: tuple[float, ...] = ()
    unread: str | None = None
    """Why it could not be read; None where it could."""


def image_files(named: Iterable[Path]) -> Iterator[ImageFile]:
    """The files that are named, and the images below the folders that are, by name; hidden ones are left out."""
    for path in named:
        if path.is_dir():
            yield from _below(path)
        else:
            yield ImageFile(path)


def _below(root: Path) -> Iterator[ImageFile]:
    refused: list[OSError] = []
    count = 0
    for folder, folders, names in os.walk(root, onerror=refused.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if has_image_ending(name) and not name.startswith("."):
                count += 1
                path = Path(folder, name)
                leads_out = path.is_symlink() and not path.resolve().is_relative_to(root.resolve())
                yield ImageFile(path, f"it is a link that leads out of {root}" if leads_out else None)
    for error in refused:
        yield ImageFile(Path(error.filename), error.strerror)
    if not count and not refused:
        yield ImageFile(root, "no images are in this folder")


def predicted(
    found: TrialWithNet, net: "TrialNet", files: Iterable[ImageFile], top: int, threshold: float | None = None
) -> Iterator[FileSaid]:
    """What the net says of each file, in their order. top: classes that are told of each.

    threshold: the class of interest is said where its probability is at least that, and else the most probable of the
    others. Raises UserError where the net's answer is neither a class nor numbers, or it takes no single images.
    """
    positive = _positive(found, net, threshold)
    if net.inputs.info.task not in _SUPPORTED:
        raise UserError(
            f"the task of trial {found.trial_id} is {net.inputs.info.task}; {' and '.join(_SUPPORTED)} are told"
        )
    try:
        _ = net.image_shape
    except TrainablesError as unfit:
        raise not_usable(found, unfit) from unfit
    waiting = iter(files)
    while batch := list(islice(waiting, net.batch_size)):
        yield from _batch(net, batch, min(top, len(net.classes)), positive, threshold)


def _positive(found: TrialWithNet, net: "TrialNet", threshold: float | None) -> int | None:
    """The class that a threshold is of."""
    if threshold is None:
        return None
    if found.positive is None or found.positive not in net.classes:
        raise UserError(
            f"--threshold is of a class of interest, and trial {found.trial_id} had none: `positive` of a data set names it"
        )
    return net.classes.index(found.positive)


def stored_images(
    net: "TrialNet", files: Iterable[ImageFile]
) -> tuple[list["np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"], dict[Path, str]]:
    """The images that can be read, as the net's data set would store them, and of the other files why not."""
    read, broken = [], dict[Path, str]()
    for file in files:
        if file.unread is not None:
            broken[file.path] = file.unread
            continue
        try:
            read.append(net.stored([file.path])[0])
        except BrokenImage as unread:
            broken[file.path] = unread.why
    return read, broken


def _batch(
    net: "TrialNet", files: Sequence[ImageFile], top: int, positive: int | None, threshold: float | None
) -> Iterator[FileSaid]:
    read, broken = stored_images(net, files)
    said = net.said_of(read)
    rows = iter(range(len(read)))
    for file in files:
        if (why := broken.get(file.path)) is not None:
            yield FileSaid(file.shown, unread=why)
        elif not net.classes:
            yield FileSaid(file.shown, numbers=tuple(said.outputs[next(rows)].tolist()))
        else:
            probabilities = said.probabilities[next(rows)]
            order = (-probabilities).argsort(kind="stable")
            chosen = int(order[0])
            if positive is not None and threshold is not None:
                others = (int(index) for index in order if index != positive)
                chosen = positive if probabilities[positive] >= threshold else next(others, positive)
            likely = tuple((net.classes[index], float(probabilities[index])) for index in order[:top])
            yield FileSaid(file.shown, net.classes[chosen], likely)
