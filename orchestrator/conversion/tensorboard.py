"""Event files of TensorBoard: a folder for each trial, with a file that is written once."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from orchestrator.conversion.ended import Converted, EndedTrial, EndedTrials, not_writable
from orchestrator.store.files import own_folder
from orchestrator.text import one_line
from orchestrator.wandb.runs import Value
from trainables.data.files import being_written, remove_unfinished

_PREFIX: Final = "events.out.tfevents."
"""By which TensorBoard knows its files."""
_STRANGE: Final = re.compile(r"[^A-Za-z0-9.=_]+")
_LONGEST: Final = 100
"""Of the names of levels in the name of a folder; the trial's id follows."""
_FINAL: Final = "final/"
"""Before measures of the whole trial, which epochs have by the same names."""


def write_events(trials: EndedTrials, folder: Path) -> Converted:
    """folder: one that is there. Raises UserError where it cannot be written to."""
    folders = {path.name.rpartition("-")[2]: path for path in folder.iterdir()}
    written = 0
    for run_id, unit in trials.units.items():
        of_trial = folders.get(unit.trial_id)
        if of_trial is not None and any(path.name.endswith(f".{run_id}") for path in own_folder(of_trial).iterdir()):
            continue
        trial = trials.read(unit)
        place = own_folder(of_trial or folder / folder_name(trial))
        remove_unfinished(place)
        earlier = [path for path in place.iterdir() if path.name.startswith(_PREFIX)]
        try:
            _write(trial, place / f"{_PREFIX}{int(trial.started)}.{run_id}")
            for path in earlier:  # another end of the trial, which is no more
                path.unlink()
        except OSError as error:
            raise not_writable(place, error) from error
        written += 1
    return Converted(written, len(trials.units) - written, trials.waiting, "run")


def folder_name(trial: EndedTrial) -> str:
    """`digits-mlp-sgd-lr=0.1-none-seed-0-0123456789abcdef`: what TensorBoard shows as the run."""
    levels = _STRANGE.sub("-", trial.run.name).strip("-.")[:_LONGEST]
    return f"{levels}-{trial.trial_id}"


def _write(trial: EndedTrial, path: Path) -> None:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter

    with being_written(path) as file:
        writer = RecordWriter(file.name)
        writer.write(Event(wall_time=trial.started, file_version="brain.Event:2").SerializeToString())
        for time, step, summary in _summaries(trial):
            writer.write(Event(wall_time=time, step=step, summary=summary).SerializeToString())
        writer.close()


def _summaries(trial: EndedTrial) -> Iterator[tuple[float, int, Any]]:
    """When, at which epoch, and what."""
    final = {f"{_FINAL}{name}": value for name, value in trial.measures.items()}
    config = {name: _plain(value) for name, value in trial.run.config.items() if value is not None}
    config |= {name: _plain(value) for name, value in trial.run.summary.items() if isinstance(value, str)}
    *begins, ends = _hyperparameters(config, final, succeeded=trial.run.succeeded)
    yield from ((trial.started, 0, summary) for summary in begins)
    for time, (epoch, measured) in zip(trial.epoch_ends(), trial.run.epochs, strict=True):
        yield time, epoch, _scalars(measured)
    yield trial.finished, trial.run.epochs[-1][0] if trial.run.epochs else 0, _scalars(final)
    yield trial.finished, 0, ends


def _scalars(values: Mapping[str, float]) -> Any:
    from tensorboardX.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])


def _hyperparameters(
    config: Mapping[str, str | float | bool], final: Mapping[str, float], *, succeeded: bool
) -> list[Any]:
    """What the dashboard of hyperparameters reads: which there are, those of this run, and how it ended."""
    from tensorboardX.proto.api_pb2 import Status
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo
    from tensorboardX.summary import hparams

    made = list(hparams(dict(config), dict(final)))
    if not succeeded:
        ended = HParamsPluginData(version=0, session_end_info=SessionEndInfo(status=Status.Value("STATUS_FAILURE")))
        made[-1].value[0].metadata.plugin_data.content = ended.SerializeToString()
    return made


def _plain(value: Value) -> str | float | bool:
    if isinstance(value, str):
        return one_line(value)
    return value if isinstance(value, bool | int | float) else one_line(json.dumps(value))
