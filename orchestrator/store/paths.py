"""Every file name of a results directory."""

from dataclasses import dataclass
from pathlib import Path

from trainables.results_files import (
    CHECKPOINTS,
    CHECKSUMS,
    DAMAGED,
    FETCHED,
    JOURNAL,
    LOCK_HOLDER,
    PICTURES,
    WANDB,
    WEIGHTS,
)


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

    def table(self, name: str) -> Path:
        return self.root / f"{name}.parquet"

    def weights(self, trial_id: str) -> Path:
        return self.root / WEIGHTS / f"{trial_id}.safetensors"

    def picture(self, trial_id: str) -> Path:
        """What a trial shows of itself, such as the samples of a generator."""
        return self.root / PICTURES / f"{trial_id}.png"
