"""The W&B SDK, as the writer uses it: one run after another, each with settings of its own and within bounded time."""

import shutil
import threading
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import psutil
import wandb

from orchestrator.masking import masked
from orchestrator.plain_text import one_line
from orchestrator.reports.runs import Run
from orchestrator.reports.wandb.media import PICTURE_SIDE, Media

_JOB_TYPES: Final = {"evaluation": "sweep"}
END_SECONDS: Final = 10.0
"""What the service may take to end: all runs are finished before."""
_SERVICE: Final = "wandb-core"
"""Name of the process that the SDK starts."""
_SUPERSEDED: Final = "superseded"
_ASKED_AT_ONCE: Final = 200
"""Runs in one question to the server."""


class Unreachable(Exception):
    """W&B does not answer, or refuses: the message says how."""


class Refused(Unreachable):
    """The SDK could not begin this run, which may be the run's own fault: its owner may have deleted it there."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """What W&B has of a run."""

    rows: int
    ended: bool
    """It has been told the end of it, so that nothing is on its way any more."""


class Tracker:
    """Writes runs into an account, or into folders. After `Unreachable` it can be asked again."""

    def __init__(
        self, folder: Path, project: str, entity: str | None, answer_seconds: float, finish_seconds: float
    ) -> None:
        self._folder, self._project, self._entity = folder, project, entity
        self._answer_seconds, self._finish_seconds = answer_seconds, finish_seconds

    @property
    def entity(self) -> str:
        """Where runs go: the key's own where none was named. Raises Unreachable."""
        if self._entity is None:
            try:
                entity = self._api().default_entity
            except Exception as error:  # the SDK raises whatever its transport does
                raise self._away(error) from error
            if not entity:
                raise Unreachable("this key has no default entity; name one: `wandb: {entity: ...}`, or --entity")
            self._entity = str(entity)
        return self._entity

    def send(self, run: Run, media: Media, there: int | None) -> None:
        """Returns when all of it has left. Raises Unreachable, Refused.

        there: rows that W&B already has of it; None where it does not know it.
        """
        try:
            try:
                tracked = self._init(run, "online", resume=there is not None)
            except wandb.errors.Error as error:
                raise Refused(str(self._away(error))) from error
            self._fill(tracked, run, media, there or 0)
            tracked.finish(exit_code=0 if run.succeeded else 1)
        except Unreachable:
            raise
        except Exception as error:
            raise self._away(error) from error
        finally:
            self.forget(run.run_id)

    def write_offline(self, run: Run, media: Media) -> None:
        """Into a folder, which `wandb sync` sends."""
        tracked = self._init(run, "offline", resume=False)
        self._fill(tracked, run, media, 0)
        tracked.finish(exit_code=0 if run.succeeded else 1)

    def supersede(self, run_ids: Collection[str]) -> None:
        """Take runs of earlier ends of a trial out of the sweep's run sets. Raises Unreachable."""
        try:
            for run in self._listed(run_ids, lazy=False):
                if _SUPERSEDED not in run.tags:
                    run.tags = [*run.tags, _SUPERSEDED]
                    run.config["results_id"] = f"{_SUPERSEDED} {run.config.get('results_id', '')}"
                    run.update()
        except Exception as error:
            raise self._away(error) from error

    def restore(self, run: Run) -> None:
        """Put a run that was superseded back: that end counts again. Raises Unreachable."""
        try:
            for there in self._listed([run.run_id], lazy=False):
                there.tags = [tag for tag in there.tags if tag != _SUPERSEDED]
                there.config["results_id"] = run.config["results_id"]
                there.update()
        except Exception as error:
            raise self._away(error) from error

    def arrived(self, run_ids: Collection[str]) -> dict[str, Arrived]:
        """What W&B has of these runs; those that it does not know are left out. Raises Unreachable."""
        wanted, found = list(run_ids), dict[str, Arrived]()
        for begin in range(0, len(wanted), _ASKED_AT_ONCE):
            try:
                for run in self._listed(wanted[begin : begin + _ASKED_AT_ONCE], lazy=True):
                    found[run.id] = Arrived(run.history_line_count or 0, run.state in ("finished", "failed"))
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
        end_service(min(self._finish_seconds, END_SECONDS))

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
            init_timeout=self._answer_seconds,
            finish_timeout=self._finish_seconds,
            finish_timeout_raises=True,
            disable_git=True,
            disable_code=True,
            disable_job_creation=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
        )

    def _fill(self, tracked: "wandb.Run", run: Run, media: Media, there: int) -> None:
        shown = dict(_shown(media))
        last = run.epochs[-1][0] if run.epochs else None
        for epoch, values in run.epochs[there:]:
            # committed at once: the last epoch would otherwise overwrite the summary, whose scores are the selected epoch's
            tracked.log({**values, **(shown if epoch == last else {})}, step=epoch, commit=True)
        # its rows had arrived, its files perhaps had not
        again = shown if there and there >= len(run.epochs) else {}
        tracked.summary.update({**run.summary, **again})

    def _api(self) -> "wandb.Api":
        return wandb.Api(timeout=max(1, round(self._answer_seconds)))

    def _away(self, error: Exception) -> Unreachable:
        """A failed call keeps the run's id in use until the service is gone."""
        end_service(min(self._finish_seconds, END_SECONDS))
        told = one_line(masked(str(error)))[:300]
        return Unreachable(f"{type(error).__name__}: {told}" if told else type(error).__name__)


def end_service(seconds: float) -> None:
    """End the SDK's service process. It may hang where the server does not answer: then it is killed."""
    ending = threading.Thread(target=wandb.teardown, daemon=True)
    ending.start()
    ending.join(seconds)
    if not ending.is_alive():
        return
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if child.name() == _SERVICE:
                child.kill()
    ending.join()


def _shown(media: Media) -> Iterable[tuple[str, Any]]:
    if media.confusion:
        names = {"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "nPredictions"}
        table = wandb.Table(columns=list(names), data=[list(row) for row in media.confusion])
        yield "confusion_matrix", wandb.plot_table("wandb/confusion_matrix/v1", table, names, {"title": "Test split"})
    if media.roc:
        names = {"class": "class", "x": "fpr", "y": "tpr"}
        table = wandb.Table(columns=list(names.values()), data=[list(row) for row in media.roc])
        texts = {
            "title": "ROC, test split",
            "x-axis-title": "false positive rate",
            "y-axis-title": "true positive rate",
        }
        yield "roc", wandb.plot_table("wandb/area-under-curve/v0", table, names, texts)
    if media.picture is not None:
        from PIL import Image

        # one that cannot be read is left out: it is no reason to keep the figures back
        with suppress(OSError, ValueError, Image.DecompressionBombError), Image.open(media.picture) as picture:
            picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
            yield "samples", wandb.Image(picture.convert("RGB"))
