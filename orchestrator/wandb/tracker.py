"""The W&B SDK, as the writer uses it: one run after another, each with settings of its own and within bounded time."""

import json
import shutil
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal

import psutil
import wandb

from orchestrator.grid.settings import Destination
from orchestrator.text import masked, one_line
from orchestrator.wandb.attachment import Alert, Model, Origin
from orchestrator.wandb.ledger import Place
from orchestrator.wandb.open_run import Media, OpenRun
from orchestrator.wandb.patience import Patience
from orchestrator.wandb.runs import Run
from orchestrator.wandb.settings import base_url

# Kept weights as W&B artifacts. Every call may raise whatever the SDK's transport raises.

BEST: Final = "best"
_TYPE: Final = "model"


def log_model(tracked: "wandb.Run", model: Model, seconds: float) -> str:
    """Weights that W&B has already, by their content, become no second version. Returns when W&B has confirmed them.

    seconds: that W&B is given.
    """
    made = wandb.Artifact(model.collection, _TYPE, metadata=model.about)
    # read where they lie: nobody changes weights of a trial that has ended
    made.add_file(str(model.weights), name="weights.safetensors", policy="immutable", skip_cache=True)
    logged = tracked.log_artifact(made).wait(round(seconds))
    return str(logged.name)


def use_origin(tracked: "wandb.Run", origin: Origin) -> None:
    """Say what the weights were before: an artifact of the origin's name and digest, for weights are not sent twice."""
    made = wandb.Artifact(origin.name, _TYPE, metadata={"content": origin.content})
    with made.new_file("origin.json") as file:
        json.dump({"weights": origin.weights, "content": origin.content}, file, indent=2)
    tracked.use_artifact(made)


_JOB_TYPES: Final = {"evaluation": "sweep"}
END_SECONDS: Final = 10.0
"""What the service may take to end: all runs are finished before."""
_SERVICE: Final = "wandb-core"
"""Name of the process that the SDK starts."""
_SUPERSEDED: Final = "superseded"
_ASKED_AT_ONCE: Final = 200
"""Runs in one question to the server."""
_ALERT_ONCE_IN: Final = timedelta(days=1)
"""For so long W&B takes an alert of a run for the same one: a writer that was killed before it had noted it repeats it."""


class Unreachable(Exception):
    """W&B does not answer, or refuses: the message says how."""


class Refused(Unreachable):
    """The SDK could not begin this run, which may be the run's own fault: its owner may have deleted it there."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """What W&B has of a run."""

    rows: int
    ended: bool
    """It has been told the end of it, so that nothing is on its way any more."""


class Tracker:
    """Writes runs into an account, or into folders. After `Unreachable` it can be asked again."""

    def __init__(self, folder: Path, to: Destination, patience: Patience) -> None:
        self._folder, self._patience = folder, patience
        self._project, self._entity, self._notes = to.project, to.entity, to.notes

    @property
    def entity(self) -> str:
        """Where runs go: the key's own where none was named. Raises Unreachable."""
        if self._entity is None:
            with self._answering():
                entity = self._api().default_entity
            if not entity:
                raise Unreachable("this key has no default entity; name one: `wandb: {entity: ...}`, or --entity")
            self._entity = str(entity)
        return self._entity

    @property
    def place(self) -> Place:
        """Return where runs go, as far as it is known without asking."""
        return Place(base_url(), self._entity, self._project)

    def begin(self, run: Run, there: int | None) -> OpenRun:
        """Open a run for rows. Raises Unreachable, Refused.

        there: rows that W&B already has of it; None where it does not know it.
        """
        try:
            return OpenRun(self._init(run, "online", resume=there is not None), run, there or 0)
        except wandb.errors.Error as error:
            raise Refused(str(self._away(error))) from error
        except Exception as error:
            raise self._away(error) from error

    def log(self, opened: OpenRun, run: Run) -> None:
        """Rows of a run whose trial trains. Raises Unreachable."""
        with self._answering():
            opened.log(run)

    def complete(self, opened: OpenRun, run: Run, media: Media) -> None:
        """Returns when all of it has left. Raises Unreachable."""
        try:
            with self._answering(), self._ending_in(self._patience.finish_seconds):
                opened.complete(run, media)
        finally:
            self.forget(run.run_id)

    def leave(self, opened: OpenRun, run_id: str) -> None:
        """The trial of a run has been stopped. Raises Unreachable."""
        try:
            with self._answering(), self._ending_in(self._patience.finish_seconds):
                opened.leave()
        finally:
            self.forget(run_id)

    def attach(self, run: Run, model: Model | None, alert: Alert | None) -> str:
        """Give a run that is there its weights, or an alert: the name of its version. Raises Unreachable, Refused."""
        opened = self.begin(run, len(run.epochs))
        sent_in = 0.0 if model is None else self._patience.sent_seconds(model.weights.stat().st_size)
        try:
            with self._answering(), self._ending_in(sent_in + self._patience.finish_seconds):
                version = ""
                if model is not None:
                    if model.origin is not None:
                        use_origin(opened.tracked, model.origin)
                    version = log_model(opened.tracked, model, sent_in)
                if alert is not None:
                    opened.tracked.alert(alert.title, alert.text, alert.level, _ALERT_ONCE_IN)
                opened.tracked.finish(exit_code=0 if run.succeeded else 1)
                return version
        finally:
            self.forget(run.run_id)

    def tell(self, run: Run, media: Media) -> None:
        """Give a run that is there what measurements have found out of its trial since. Raises Unreachable, Refused."""
        opened = self.begin(run, len(run.epochs))
        try:
            with self._answering(), self._ending_in(self._patience.finish_seconds):
                opened.tell(run, media)
        finally:
            self.forget(run.run_id)

    def crown(self, version: str) -> None:
        """Give a version of a model the alias `best`, which W&B takes from any other of it. Raises Unreachable."""
        with self._answering():
            found = self._api().artifact(f"{self.entity}/{self._project}/{version}", type=_TYPE)
            if BEST not in found.aliases:
                found.aliases.append(BEST)
                found.save()

    def write_offline(self, run: Run, media: Media) -> None:
        """Write a run into a folder, which `wandb sync` sends."""
        OpenRun(self._init(run, "offline", resume=False), run, 0).complete(run, media)

    def supersede(self, run_ids: Collection[str]) -> None:
        """Take runs of earlier ends of a trial out of the sweep's run sets. Raises Unreachable."""
        with self._answering():
            for run in self._listed(run_ids, lazy=False):
                if _SUPERSEDED not in run.tags:
                    run.tags = [*run.tags, _SUPERSEDED]
                    run.config["results_id"] = f"{_SUPERSEDED} {run.config.get('results_id', '')}"
                    run.update()

    def restore(self, run: Run) -> None:
        """Put a run that was superseded back: that end counts again. Raises Unreachable."""
        with self._answering():
            for there in self._listed([run.run_id], lazy=False):
                there.tags = [tag for tag in there.tags if tag != _SUPERSEDED]
                there.config["results_id"] = run.config["results_id"]
                there.update()

    def arrived(self, run_ids: Collection[str]) -> dict[str, RunStatus]:
        """Return what W&B has of these runs; those that it does not know are left out. Raises Unreachable."""
        wanted, found = list(run_ids), dict[str, RunStatus]()
        for begin in range(0, len(wanted), _ASKED_AT_ONCE):
            try:
                for run in self._listed(wanted[begin : begin + _ASKED_AT_ONCE], lazy=True):
                    found[run.id] = RunStatus(run.history_line_count or 0, run.state in ("finished", "failed"))
            except Unreachable:
                raise
            except Exception as error:
                if "Could not find project" not in str(error):  # it begins with its first run
                    raise self._away(error) from error
        return found

    def forget(self, run_id: str, offline: bool = False) -> None:
        """Remove what the SDK keeps on disk of a run: the journal has it all, and two folders of a run arrive twice."""
        for folder in (self._folder / "wandb").glob(f"{'offline-' if offline else ''}run-*-{run_id}"):
            shutil.rmtree(folder, ignore_errors=True)
        for link in (self._folder / "wandb").iterdir():
            if link.is_symlink() and not link.exists():  # to the latest run and its logs
                link.unlink(missing_ok=True)

    def close(self) -> None:
        """End the SDK's service."""
        end_service(min(self._patience.finish_seconds, END_SECONDS))

    def drop(self) -> None:
        """End the SDK's service immediately, with all runs that are open."""
        kill_service()
        end_service(min(self._patience.finish_seconds, END_SECONDS))

    def _listed(self, run_ids: Collection[str], *, lazy: bool) -> Any:
        where, these = f"{self.entity}/{self._project}", {"name": {"$in": list(run_ids)}}
        return self._api().runs(where, filters=these, per_page=_ASKED_AT_ONCE, lazy=lazy)

    def _init(self, run: Run, mode: Literal["online", "offline"], *, resume: bool) -> "wandb.Run":
        return wandb.init(
            project=self._project,
            entity=self._entity,
            dir=self._folder,
            id=run.run_id,
            name=run.name,
            group=run.group,
            job_type=_JOB_TYPES.get(run.purpose, run.purpose),
            tags=run.tags,
            notes=self._notes,
            config=run.config,
            reinit="create_new",
            # without, the SDK would add all rows behind those that are there
            resume="allow" if resume else None,
            settings=self._settings(mode),
        )

    def _settings(self, mode: Literal["online", "offline"]) -> "wandb.Settings":
        """Made anew for each run: `wandb.init` changes the ones that it is given."""
        return wandb.Settings(
            mode=mode,
            silent=True,
            console="off",
            init_timeout=self._patience.answer_seconds,
            finish_timeout=self._patience.finish_seconds,
            finish_timeout_raises=True,
            disable_git=True,
            disable_code=True,
            disable_job_creation=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            x_file_stream_transmit_interval=self._patience.parcel_seconds,
        )

    def _api(self) -> "wandb.Api":
        return wandb.Api(timeout=max(1, round(self._patience.answer_seconds)))

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """The SDK raises whatever its transport does. Raises Unreachable."""
        try:
            yield
        except Unreachable:
            raise
        except Exception as error:
            raise self._away(error) from error

    @contextmanager
    def _ending_in(self, seconds: float) -> Iterator[None]:
        """The end of a run waits for whatever was asked before, such as an alert, and for that the SDK knows no bound: after
        so long its service is ended, whereupon the call that waits raises.
        """
        too_late = threading.Timer(seconds + END_SECONDS, kill_service)
        too_late.daemon = True
        too_late.start()
        try:
            yield
        finally:
            too_late.cancel()

    def _away(self, error: Exception) -> Unreachable:
        """A failed call keeps the run's id in use until the service is gone."""
        self.drop()
        message = one_line(masked(str(error)))[:300]
        return Unreachable(f"{type(error).__name__}: {message}" if message else type(error).__name__)


def end_service(seconds: float) -> None:
    """End the SDK's service process. It may hang where the server does not answer: then it is killed."""
    ending = threading.Thread(target=_tear_down, daemon=True)
    ending.start()
    ending.join(seconds)
    if ending.is_alive():
        kill_service()
        ending.join()


def _tear_down() -> None:
    with suppress(Exception, SystemExit):  # its connection is lost, or how it ended is told, where it was killed
        wandb.teardown()


def kill_service() -> None:
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if child.name() == _SERVICE:
                child.kill()
