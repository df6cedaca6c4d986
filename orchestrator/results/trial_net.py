"""The net of one trial of a results directory, found by the trial's id and made ready to be used."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.errors import DamagedResults, UserError
from orchestrator.results.kept_trial import KeptTrial, read_kept_trial
from orchestrator.store.files import digest_of
from orchestrator.store.journal import Journal
from orchestrator.store.paths import KEPT, ResultsPaths
from orchestrator.store.reading import open_journal
from orchestrator.store.tables import Checksums
from trainables.data.files import WEIGHTS
from trainables.dataset import DataLocation
from trainables.errors import CannotDeploy, DataError, TrainablesError, WeightsError
from trainables.spec import ParentTrial, TrialTask
from trainables.task import tasks

if TYPE_CHECKING:
    from trainables.stages.inputs import NetInputs
    from trainables.stages.trial_net import TrialNet
    from trainables.training.prepare import Prepared

_CLASSIFICATION: Final = "classification"


@dataclass(frozen=True, slots=True)
class TrialWithNet:
    """A completed trial whose net was kept."""

    kept: KeptTrial
    classes: tuple[str, ...]
    """As its rows name them; none where its task has none."""
    positive: str | None
    """The class of interest when it ran."""
    task: str | None
    """By its scores; None where they are of no task that is known here."""
    file: Path
    """What was kept of its net."""
    root: Path

    @property
    def trial_id(self) -> str:
        return self.kept.trial_id

    @property
    def weights(self) -> ParentTrial:
        """Of the net that was trained: its own, or its parent's."""
        return self.kept.parent or ParentTrial(self.trial_id, self.file, None)


def find_trial_with_net(paths: ResultsPaths, prefix: str) -> TrialWithNet:
    """The trial whose id begins so. Raises UserError where none or several do, where it has not completed, or its weights
    were not kept; DamagedResults where they are not what the checksums of the results say.
    """
    with closing(open_journal(paths)) as journal:
        kept = read_kept_trial(journal, prefix, paths.weights)
        classes, positive = _classes(journal, kept.trial_id)
    if kept.status != "completed":
        reason = f": {kept.reason}" if kept.reason else ""
        raise UserError(f"trial {kept.trial_id} is {kept.status}{reason}; only completed trials have a net to use")
    if kept.tunes:
        raise UserError(
            f"trial {kept.trial_id} tried values for its cell, and its net was not kept; name one of the cell's"
        )
    if kept.measurement is not None and kept.parent is not None:
        raise UserError(
            f"{kept.trial_id} is a measurement of trial {kept.parent.trial_id}, which has the net; name that"
        )
    file = _file_of(paths, kept)
    refuse_changed(paths, file)
    task = next((each for each in tasks() if f"val_{each.loss_score}" in dict(kept.scores)), None)
    return TrialWithNet(kept, classes, positive, None if task is None else task.name, file, paths.root)


def open_net(found: TrialWithNet, location: DataLocation) -> "TrialNet":
    """Its net, with torch, which is imported only now. location: where its data set is asked for what was not recorded.

    Raises UserError, DamagedResults.
    """
    from trainables.stages.trial_net import ONNX, trained_net, variant_net

    spec, parent = found.kept.spec, found.kept.parent
    try:
        inputs = net_inputs(found, location)
        if parent is None:
            return trained_net(spec, inputs, found.weights)
        if found.file.suffix != ONNX:
            refuse_changed(ResultsPaths(found.root), parent.weights)
        return variant_net(spec, inputs, found.file, parent)
    except TrainablesError as unfit:
        raise not_usable(found, unfit) from unfit


def net_inputs(found: TrialWithNet, location: DataLocation) -> "NetInputs":
    """What the net takes: of a classifier of images as its weights and rows tell, else as its data set does.

    Raises WeightsError, UserError where neither can.
    """
    from trainables.stages.inputs import NetInputs
    from trainables.training.weights import read_header
    from trainables.training.weights_origin import origin_of

    of_trained = found.weights.weights
    if found.classes and found.task == _CLASSIFICATION and of_trained.is_file():
        try:
            origin = origin_of(read_header(of_trained).metadata)
        except ValueError as unclear:
            raise WeightsError(f"the weights in {of_trained} cannot be used: {unclear}") from unclear
        if origin is not None:
            return NetInputs.of_weights(found.kept.spec.dataset, origin, found.classes, found.positive)
    return NetInputs.of_data(data_of(found, location))


def data_of(found: TrialWithNet, location: DataLocation) -> "Prepared":
    """Its data, split as for its training. Raises UserError where it is not on this machine, or not what it was."""
    spec = found.kept.spec
    try:
        return _data_of(TrialTask(found.trial_id, 1, spec, location, weights=None))
    except DataError as missing:
        name = spec.dataset.name
        raise UserError(
            f"for trial {found.trial_id} the data set {name} is needed here: {missing} (--data names the folder)"
        ) from missing


def _data_of(task: TrialTask) -> "Prepared":
    from trainables.stages.inputs import CPU
    from trainables.training.prepare import prepared_for

    spec = task.spec
    now = spec.dataset.located(task.location).fingerprint(task.location)
    if now != spec.fingerprint:
        raise DataError(f"its content is another than the trial was trained on ({now}, and not {spec.fingerprint})")
    return prepared_for(task, CPU)


def not_usable(found: TrialWithNet, why: TrainablesError) -> UserError | DamagedResults:
    """What a user is told of a net that cannot be used."""
    if isinstance(why, WeightsError):
        return DamagedResults(f"the net of trial {found.trial_id} cannot be used: {why}")
    what = "cannot be used so" if isinstance(why, CannotDeploy) else "cannot be made again"
    return UserError(f"the net of trial {found.trial_id} {what}: {why}")


def _classes(journal: Journal, trial_id: str) -> tuple[tuple[str, ...], str | None]:
    names = "SELECT class_name FROM classes WHERE trial_id = ? ORDER BY class_index"
    positive = next(journal.query("SELECT positive_class FROM trials WHERE trial_id = ?", (trial_id,)))[0]
    return tuple(str(name) for (name,) in journal.query(names, (trial_id,))), positive


def _file_of(paths: ResultsPaths, kept: KeptTrial) -> Path:
    """What was kept of a trial's net: of one that was trained safetensors, of a variant whatever it is."""
    weights = paths.weights(kept.trial_id)
    places = [
        weights.with_suffix(suffix) for suffix in (KEPT[WEIGHTS] if kept.parent is not None else KEPT[WEIGHTS][:1])
    ]
    there = next((place for place in places if place.is_file()), None)
    if there is None:
        raise UserError(
            f"no net of trial {kept.trial_id} is in {paths.all_weights}: it was not kept, or it is gone; sweep with"
            " `protocol: {keep_weights: best}` into another --results"
        )
    return there


def refuse_changed(paths: ResultsPaths, file: Path) -> None:
    """Raise DamagedResults where a file is not as its trial has left it. What nothing vouches for yet is taken as it is."""
    kept = Checksums.read(paths.checksums).kept.get(file.relative_to(paths.root).as_posix())
    if kept is not None and file.is_file() and digest_of(file) != kept.digest:
        raise DamagedResults(f"{file} is not as its trial has left it; put back what was there, or run the trial again")
