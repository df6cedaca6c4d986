"""Runs of MLflow in a database of the folder, written by the mlflow package itself (ADR 28)."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from orchestrator.conversion.ended import Converted, EndedTrial, EndedTrials
from orchestrator.errors import UserError
from orchestrator.text import one_line
from orchestrator.wandb.runs import Value

DATABASE: Final = "mlflow.db"
_RUN_ID: Final = "orch.run_id"
"""The tag by which a run is found again; of one that was not written whole it has no value yet."""
_TRIAL_ID: Final = "orch.trial_id"
_FINAL: Final = "final/"
_STRANGE: Final = re.compile(r"[^\w\-. /]+", re.ASCII)
_STEERING: Final = "?#%"
"""Signs of a path that the address of a database reads as more than themselves."""
_AT_ONCE: Final = 100
"""Parameters that MLflow takes in one request; of measures 1,000."""
_LONGEST: Final = 6000
"""Characters of a parameter's value."""


def write_runs(trials: EndedTrials, folder: Path, sweep: str) -> Converted:
    """folder: one that is there. Raises UserError where its path has signs that steer."""
    client = _client(folder)
    experiment = _experiment(client, folder, sweep)
    runs = list(_runs(client, experiment))
    there = {run.data.tags.get(_RUN_ID) for run in runs}
    written = 0
    for run_id, unit in trials.units.items():
        if run_id in there:
            continue
        for earlier in runs:  # another end of the trial, or one that was not written whole
            if earlier.data.tags.get(_TRIAL_ID) == unit.trial_id:
                client.delete_run(earlier.info.run_id)
        _write(client, experiment, trials.read(unit), run_id)
        written += 1
    return Converted(written, len(trials.units) - written, trials.waiting, "run")


def refuse_without_mlflow() -> None:
    """Raises UserError where the package is missing."""
    if find_spec("mlflow") is None:
        raise UserError("mlflow is not installed here, which writes its own database: pip install 'orch-grid[mlflow]'")


def address(folder: Path) -> str:
    """Of the folder's database, as MLflow takes it."""
    path = (folder / DATABASE).absolute()
    if any(sign in str(path) for sign in _STEERING):
        raise UserError(
            f"MLflow's database cannot lie in {folder}: `?`, `#` and `%` in its path would be read as options"
        )
    return f"sqlite:///{path}"


def _client(folder: Path) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing of a sweep leaves this machine
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=address(folder))


def _experiment(client: Any, folder: Path, sweep: str) -> str:
    name = one_line(sweep)
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(name, artifact_location=(folder.absolute() / "artifacts").as_uri()))


def _runs(client: Any, experiment: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        yield from page
        if not (token := page.token):
            return


def _write(client: Any, experiment: str, trial: EndedTrial, run_id: str) -> None:
    from mlflow.entities import Metric, Param

    started, finished = round(1000 * trial.started), round(1000 * trial.finished)
    tags = {
        _TRIAL_ID: trial.trial_id,
        "status": str(trial.run.summary.get("status")),
        "group": one_line(trial.run.group),
    }
    if (reason := trial.run.summary.get("reason")) is not None:
        tags["reason"] = one_line(str(reason))
    made = client.create_run(experiment, start_time=started, tags=tags, run_name=one_line(trial.run.name)).info.run_id
    params = [Param(_key(name), _text(value)) for name, value in trial.run.config.items() if value is not None]
    metrics = [
        Metric(_key(name), value, round(1000 * time), epoch)
        for time, (epoch, measured) in zip(trial.epoch_ends(), trial.run.epochs, strict=True)
        for name, value in measured.items()
    ]
    metrics += [Metric(_FINAL + _key(name), value, finished, 0) for name, value in trial.measures.items()]
    for some in _parts(params):
        client.log_batch(made, params=some)
    for some in _parts(metrics):
        client.log_batch(made, metrics=some)
    client.set_terminated(made, "FINISHED" if trial.run.succeeded else "FAILED", finished)
    client.set_tag(made, _RUN_ID, run_id)


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


def _key(name: str) -> str:
    return _STRANGE.sub("_", name)


def _text(value: Value) -> str:
    return one_line(value if isinstance(value, str) else json.dumps(value))[:_LONGEST]
