"""Every file name of a results directory."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from orchestrator.store.files import damaged, is_plain
from trainables.data.files import (
    CHECKPOINTS,
    CHECKSUMS,
    DAMAGED,
    FETCHED,
    IMAGES,
    JOURNAL,
    LOCK_HOLDER,
    MONITOR,
    PREDICTIONS,
    WANDB,
    WEIGHTS,
)

KEPT: Final[Mapping[str, tuple[str, ...]]] = {WEIGHTS: (".safetensors", ".onnx", ".pt2"), IMAGES: (".png",)}
"""Folders of what trials leave, with the endings of the names in them; the first is that of trials that train."""
OLDER_JOURNALS: Final = "journal-version-*.sqlite"
"""Copies of journals that were carried over from older versions (ADR 6)."""


def may_be_kept(name: str) -> bool:
    """Whether a file within a results directory is what a trial leaves, or an older journal."""
    folder, _, file = name.rpartition("/")
    ours = file.endswith(KEPT[folder]) if folder in KEPT else not folder and fnmatchcase(file, OLDER_JOURNALS)
    return ours and is_plain(file)


def results_in(folder: Path, beginning: str = "") -> list[Path]:
    """Return the results directories in a folder whose names begin so, by name; none where it cannot be read."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.startswith(beginning))
    except OSError:
        return []
    return [folder / name for name in names if os.access(folder / name / JOURNAL, os.R_OK)]


@dataclass(frozen=True, slots=True)
class ResultsPaths:
    """The files of one results directory."""

    root: Path

    @property
    def journal(self) -> Path:
        return self.root / JOURNAL

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    @property
    def lock_holder(self) -> Path:
        return self.root / LOCK_HOLDER

    @property
    def stop_request(self) -> Path:
        """There while `orch stop` waits for the sweep to obey."""
        return self.root / ".stop"

    @property
    def checksums(self) -> Path:
        """Of the tables, and of what trials have left."""
        return self.root / CHECKSUMS

    @property
    def damaged(self) -> Path:
        """Where `orch repair` keeps copies of damaged files."""
        return self.root / DAMAGED

    @property
    def fetched(self) -> Path:
        """There where the directory is a copy of a cluster's."""
        return self.root / FETCHED

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def figures(self) -> Path:
        """Folder of what `orch figure` writes."""
        return self.root / "figures"

    @property
    def wandb(self) -> Path:
        """Folder of offline runs, and of the list of runs that were written."""
        return self.root / WANDB

    @property
    def wandb_log(self) -> Path:
        return self.root / "wandb.log"

    @property
    def wandb_sent(self) -> Path:
        return self.root / WANDB / "sent.jsonl"

    @property
    def wandb_report(self) -> Path:
        """Where the sweep's report at W&B is."""
        return self.root / WANDB / "report.json"

    @property
    def wandb_lock(self) -> Path:
        return self.root / WANDB / ".lock"

    @property
    def wandb_staging(self) -> Path:
        """Temporary files of the process that writes W&B runs."""
        return self.root / "wandb" / ".staging"

    @property
    def checkpoints(self) -> Path:
        """A folder for each trial that has some."""
        return self.root / CHECKPOINTS

    @property
    def predictions(self) -> Path:
        """A folder of Parquet files (`store.predictions`), which readers of Parquet take for one table."""
        return self.root / PREDICTIONS

    def table(self, name: str) -> Path:
        return self.root / f"{name}.parquet"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Those that orch makes in it."""
        return (
            *(self.root / name for name in KEPT),
            self.predictions,
            self.checkpoints,
            self.wandb,
            self.damaged,
            self.monitor,
        )

    @property
    def monitor(self) -> Path:
        """A table for each trial whose net was watched."""
        return self.root / MONITOR

    @property
    def all_weights(self) -> Path:
        """A file for each trial whose weights are kept."""
        return self.root / WEIGHTS

    @property
    def all_images(self) -> Path:
        """A file for each trial, or measurement, that shows something."""
        return self.root / IMAGES

    def weights(self, trial_id: str) -> Path:
        return self._of_trial(WEIGHTS, trial_id)

    def image(self, trial_id: str) -> Path:
        """What a trial shows of itself, such as the samples of a generator."""
        return self._of_trial(IMAGES, trial_id)

    def _of_trial(self, folder: str, trial_id: str) -> Path:
        """Raises DamagedResults where that would be no file there: a journal may say anything."""
        name = f"{trial_id}{KEPT[folder][0]}"
        if not is_plain(name):
            raise damaged(self.journal, f"{trial_id!r} is no trial's id", self.root)
        return self.root / folder / name
