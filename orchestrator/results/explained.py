"""Where a trial's net has its answers to a user's own images from: `orch explain RESULTS TRIAL IMAGES...`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.errors import UserError
from orchestrator.results.predicted import ImageFile, stored_images
from orchestrator.results.trial_net import TrialWithNet, data_of, not_usable, open_net
from trainables.data.files import printable
from trainables.dataset import DataLocation
from trainables.errors import TrainablesError, alike, meant
from trainables.measurements.explain import METHODS, Explain
from trainables.spec import derived_seed

if TYPE_CHECKING:
    import numpy as np

    from trainables.measurements._looked_at import LookedAt
    from trainables.stages.trial_net import TrialNet
    from trainables.training.prepare import Prepared

MOST: Final = 50
"""Images of one command: each is asked about some thousand times."""
_LONGEST: Final = 40
"""Signs of a file's name on the sheet."""


@dataclass(frozen=True, slots=True)
class FileExplained:
    """What the net says of one file, and its maps."""

    file: str
    answer: str
    likely: tuple[tuple[str, float], ...]
    """The most probable classes, the answer first."""
    maps: tuple["LookedAt", ...]
    random_deletion: float
    random_insertion: float


@dataclass(frozen=True, slots=True)
class Explained:
    """What is told of a user's images."""

    baseline: str
    """In words."""
    files: tuple[FileExplained, ...]
    unread: tuple[tuple[str, str], ...]
    """Files that could not be read, and why."""
    sheet: bytes | None
    """The PNG; None where no file could be read."""


def methods_named(text: str | None) -> tuple[str, ...] | None:
    """Methods divided by commas; None where nothing is said. Raises UserError."""
    if text is None:
        return None
    named = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in named:
        if name not in METHODS:
            hint = meant(map(repr, alike(name, METHODS, most=1)), f"there are {', '.join(METHODS)}")
            raise UserError(f"--methods {text}: unknown method {name!r}; {hint}")
    if not named:
        raise UserError(f"--methods names none; there are {', '.join(METHODS)}")
    return named


def explained(
    found: TrialWithNet, location: DataLocation, files: Sequence[ImageFile], explain: Explain, top: int
) -> Explained:
    """What the net says of each file and where it has that from. Raises UserError, DamagedResults.

    top: classes that are told of each.
    """
    import numpy as np

    from trainables.stages.explained_sheet import SheetContents, SheetRow, drawn

    net = open_net(found, location)
    refuse_unfit(found, net)
    read, broken = stored_images(net, files)
    unread = tuple((file.shown, broken[file.path]) for file in files if file.path in broken)
    data, baseline = _data_at_hand(found, location, explain)
    if not read:
        return Explained(baseline, (), unread, None)
    stored = np.stack(read)
    probabilities = net.said_of(stored).probabilities
    looked = explain.look_at(net, stored, data, seed_of(found))
    names = [file.shown for file in files if file.path not in broken]
    told = tuple(
        FileExplained(
            name,
            net.classes[int(of.argmax())],
            tuple((net.classes[index], float(of[index])) for index in (-of).argsort(kind="stable")[:top]),
            one.maps,
            one.random_deletion,
            one.random_insertion,
        )
        for name, of, one in zip(names, probabilities, looked, strict=True)
    )
    shown = [of.method for of in told[0].maps if of.values is not None]
    maps = {method: np.stack([_values(one, method) for one in told]) for method in shown}
    rows = tuple(
        SheetRow(_short(one.file), None, one.answer, one.likely[0][1], tuple(_below(one, method) for method in shown))
        for one in told
    )
    notes = (
        f"Baseline: {baseline}.",
        "Below each map: deletion, and the mean of random maps; x where one of these is as good: not worth looking at.",
        *(f"No {of.method}: {of.reason}." for of in told[0].maps if of.values is None),
    )
    return Explained(baseline, told, unread, drawn(SheetContents(tuple(shown), rows, notes), stored, maps))


def refuse_unfit(found: TrialWithNet, net: "TrialNet") -> None:
    """Raise UserError where it is no classifier of single images."""
    try:
        _ = net.image_shape
    except TrainablesError as unfit:
        raise not_usable(found, unfit) from unfit
    if not net.classes:
        raise UserError(
            f"the task of trial {found.trial_id} is {net.inputs.info.task}; maps are of the answers of classifiers"
        )


def _data_at_hand(found: TrialWithNet, location: DataLocation, explain: Explain) -> tuple["Prepared | None", str]:
    """Its data set where that is on this machine, and what the baseline is, in words."""
    try:
        data = data_of(found, location)
    except UserError:
        if explain.baseline == "black":
            return None, "black"
        return None, "the mean colour of the training pictures, as the data set is not on this machine"
    return data, "black" if explain.baseline == "black" else "the mean of the training pictures"


def seed_of(found: TrialWithNet) -> int:
    """That of the measurement."""
    return derived_seed(f"measurement {Explain.name}", found.kept.spec.seed)


def _values(one: FileExplained, method: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    return next(of.values for of in one.maps if of.method == method and of.values is not None)


def _below(one: FileExplained, method: str) -> str:
    of = next(of for of in one.maps if of.method == method)
    return f"{of.deletion:.2f} / {one.random_deletion:.2f}{'' if of.worth else ' x'}"


def _short(file: str) -> str:
    """The end of a path, which tells it from others."""
    return file if len(file) <= _LONGEST else f"...{file[-_LONGEST:]}"


def refuse_images(images: Iterable[Path]) -> None:
    """Raise UserError where these are too many, or one is a folder."""
    named = list(images)
    if len(named) > MOST:
        raise UserError(f"{len(named):,} images are named, and at most {MOST} are explained at once")
    for path in named:
        if path.is_dir():
            raise UserError(f"{printable(str(path))} is a folder; name the images in it, at most {MOST}")
