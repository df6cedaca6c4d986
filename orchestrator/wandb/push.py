"""Sends what W&B does not have yet of a sweep: `orch wandb push`."""

import json
import os
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from orchestrator.errors import InfrastructureLost, UserError
from orchestrator.grid.settings import Destination, Wandb
from orchestrator.store.files import refuse_other_than_file
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import open_journal
from orchestrator.wandb.process import PENDING, command, has_key, surroundings
from orchestrator.wandb.settings import wish


@dataclass(frozen=True, slots=True)
class PushResult:
    """What W&B has now."""

    written: int
    there: int
    """Runs that it had already."""
    report: str
    """Its address."""


def push(paths: ResultsPaths, to: Destination, say: Callable[[str], None]) -> PushResult:
    """Send runs that are not there, none twice, and the report. say: is handed what the process says meanwhile.

    Raises UserError (no key, results that nobody may write, or a wish not to send), DamagedResults (the list of what was
    sent is no file), InfrastructureLost (W&B does not have all runs; the same command goes on).
    """
    if (against := wish()) is not None:
        raise UserError(f"{against.source} is set, so that nothing is sent; remove it, then push again")
    if not has_key():
        raise UserError("there is no W&B key on this machine; run `wandb login`, or set WANDB_API_KEY, then push again")
    if not os.access(paths.root, os.W_OK):
        raise UserError(f"{paths.root} cannot be written: what W&B has is noted there; push from a copy of it")
    refuse_other_than_file(paths.wandb_sent, followed=False)
    process = subprocess.Popen(  # noqa: S603 - our own module
        command(paths, "online", to),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=surroundings(),
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stderr:
                say(line.rstrip("\n"))
            output = process.stdout.read()
        except BaseException:
            process.terminate()
            raise
    if process.returncode not in (0, PENDING):
        raise InfrastructureLost(f"the process that writes W&B runs ended with {process.returncode}; push again")
    done = json.loads(output)
    if process.returncode == PENDING:
        what = f"{done['pending']} runs are pending" if done["pending"] else "its report is not written"
        failure = f" ({done['failure']})" if done["failure"] else ""
        raise InfrastructureLost(
            f"W&B does not have all of {paths.root}{failure}: {done['written'] + done['there']} runs are there now, {what};"
            f" `orch wandb push {paths.root}` goes on"
        )
    return PushResult(done["written"], done["there"], done["report"])


def destination(paths: ResultsPaths, project: str | None, entity: str | None) -> Destination:
    """Return what the grid of the latest sweep says, and the options above it. Raises UserError, DamagedResults."""
    with closing(open_journal(paths)) as journal:
        grids = [row[0] for row in journal.query("SELECT grid FROM environments ORDER BY started_at DESC LIMIT 1")]
    if not grids:
        raise UserError(f"no sweep has begun in {paths.root}; run `orch sweep GRID` first")
    of_grid = _of_grid(str(grids[0]), paths.root.name)
    try:
        asked = Wandb(project=project, entity=entity)
    except ValidationError as wrong:
        said = (f"--{one['loc'][0]}: {one['msg'].removeprefix('Value error, ')}" for one in wrong.errors())
        raise UserError("; ".join(said)) from None
    return replace(of_grid, project=asked.project or of_grid.project, entity=asked.entity or of_grid.entity)


def _of_grid(text: str, name: str) -> Destination:
    """Read the section `wandb`. A sweep has read the text once, perhaps elsewhere: only what is used is looked at."""
    try:
        grid = YAML(typ="safe", pure=True).load(text)
        # through JSON, as the sweep reads it: a list is a list there
        section = json.dumps(grid.get("wandb") or {}, default=str)
        sweep = Wandb(project=str(grid.get("name") or name)).project
        return Wandb.model_validate_json(section).destination(sweep or name)
    except (YAMLError, ValueError, AttributeError):  # written by another orch
        return Destination(name)
