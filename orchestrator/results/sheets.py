"""Sheets of a trial's test pictures with maps of where the answers come from: kept by a measurement, or made now."""

from contextlib import closing
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Final

from orchestrator.errors import UserError
from orchestrator.results.explained import refuse_unfit, seed_of
from orchestrator.results.trial_log import find_trial
from orchestrator.results.trial_net import TrialWithNet, data_of, not_usable, open_net, refuse_changed
from orchestrator.store.files import content_of
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import open_journal
from orchestrator.store.sql import TRIALS_AND_CELLS
from trainables.data.files import printable, read_regular, replace_whole
from trainables.dataset import DataLocation
from trainables.errors import TrainablesError
from trainables.measurements.explain import Explain

_LARGEST: Final = 1 << 26
"""Bytes of a file that is looked at before another takes its place: sheets are far smaller."""


@dataclass(frozen=True, slots=True)
class KeptSheet:
    """What a measurement `explain` of a trial has kept."""

    measurement_id: str
    content: bytes


def whole_id(paths: ResultsPaths, prefix: str) -> str:
    """Of the trial whose id begins so. Raises UserError where none or several do."""
    with closing(open_journal(paths)) as journal:
        return find_trial(journal, prefix)


def kept_sheet(paths: ResultsPaths, trial_id: str) -> KeptSheet | None:
    """The sheet of a trial, of its latest measurement that has kept one. Raises DamagedResults where it is not as that has
    left it.
    """
    with closing(open_journal(paths)) as journal:
        measured = [measurement_id for measurement_id, _ in _measurements(journal, trial_id)]
    for measurement_id in measured:
        file = paths.image(measurement_id)
        if file.is_file():
            refuse_changed(paths, file)
            try:
                return KeptSheet(measurement_id, content_of(file))
            except OSError as refused:
                raise UserError(f"{file} cannot be read: {refused.strerror}") from refused
    return None


def asked_of(paths: ResultsPaths, trial_id: str, methods: tuple[str, ...] | None) -> Explain:
    """As the latest measurement `explain` of this trial, or as that is where nothing is said; with these methods instead."""
    with closing(open_journal(paths)) as journal:
        said = next((parameters for _, parameters in _measurements(journal, trial_id)), {})
    if methods is not None:
        said = {**said, "methods": list(methods)}
    try:
        return Explain.from_parameters(said)
    except TrainablesError:  # it was measured by another version
        return Explain.from_parameters({} if methods is None else {"methods": list(methods)})


def _measurements(journal: Journal, trial_id: str) -> list[tuple[str, dict[str, object]]]:
    """Of the trial's completed measurements of this kind the ids and their parameters, the latest first."""
    rows = journal.query(
        f"SELECT trial_id, measurement_config FROM {TRIALS_AND_CELLS}"
        " WHERE parent_id = ? AND measurement_config IS NOT NULL AND status = 'completed' ORDER BY finished_at DESC",
        (trial_id,),
    )
    written = [(str(measurement_id), loads(config)) for measurement_id, config in rows]
    return [(one, {k: v for k, v in of.items() if k != "name"}) for one, of in written if of["name"] == Explain.name]


def made_sheet(found: TrialWithNet, location: DataLocation, explain: Explain) -> bytes:
    """The sheet of a trial, made now. Raises UserError where its data are not here, or there is none; DamagedResults."""
    from trainables.stages.measured_net import MeasuredNet
    from trainables.stages.trial_net import this_process
    from trainables.task import task_of
    from trainables.training.evaluate import predict

    net = open_net(found, location)
    refuse_unfit(found, net)
    if net.takes_stored:
        raise UserError(
            f"the net of trial {found.trial_id} is an ONNX file, of which only your own images are explained; name some,"
            " or the trial that it was made of"
        )
    data, context = data_of(found, location), this_process()
    tested = predict(net.net, data.batches, data.split.test, net.protocol, context)
    net.net.eval()
    seed = seed_of(found)
    try:
        made = explain.gallery(MeasuredNet(net.net, task_of(data.info), data, net.protocol, context, tested, seed))
    except TrainablesError as unfit:
        raise not_usable(found, unfit) from unfit
    if made is None:
        raise UserError(f"trial {found.trial_id} has no test pictures")
    return made


def refuse_output(output: Path) -> None:
    """Raise UserError where something else lies there than what this command writes, or there is no such folder."""
    from trainables.stages.explained_sheet import read_sheet

    name = printable(str(output))
    if not output.parent.is_dir():
        raise UserError(
            f"cannot write {name}: there is no folder {printable(str(output.parent))}; name another --output"
        )
    if output.is_symlink() or output.exists():
        try:
            ours = not output.is_symlink() and read_sheet(read_regular(output, _LARGEST)) is not None
        except OSError:
            ours = False
        if not ours:
            raise UserError(f"{name} is there and was not written by orch explain; name another --output")


def write_sheet(content: bytes, output: Path) -> None:
    """Put the PNG there. Raises UserError as `refuse_output`, and where it cannot be written."""
    refuse_output(output)
    try:
        replace_whole(content, output)
    except OSError as refused:
        raise UserError(
            f"cannot write {printable(str(output))}: {refused.strerror}; name another --output"
        ) from refused
