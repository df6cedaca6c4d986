"""Where the trials of a sweep keep their checkpoints, and when those of a trial that has ended go."""

import contextlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.grid.settings import CheckpointPolicy
from orchestrator.store.paths import ResultsPaths
from results_schema import FINAL
from trainables.spec import Checkpoints


class CheckpointStore:
    """Follows the grid's policy. Trials make their folders themselves, with their first checkpoint."""

    def __init__(self, paths: ResultsPaths, policy: CheckpointPolicy | None) -> None:
        """policy: None where no checkpoints are kept."""
        self._root, self._policy = paths.checkpoints, policy
        self._over: list[str] = []
        """Trials whose checkpoints go with the next commit."""

    def of(self, trial_id: str) -> Checkpoints | None:
        if self._policy is None:
            return None
        return Checkpoints(self._root / trial_id, self._policy.seconds, self._policy.keep)

    def concluded(self, trial_id: str, status: str) -> None:
        """A trial has this status now. Its checkpoints are there until that is durable: see `committed`."""
        if status in FINAL and (self._policy is None or self._policy.keep == "unfinished"):
            self._over.append(trial_id)

    def committed(self) -> None:
        """All that was said before is in the journal for good."""
        over, self._over = self._over, []
        if over and self._root.exists():
            for trial_id in over:
                _remove(self._root / trial_id)
            with contextlib.suppress(OSError):  # another trial's are there
                self._root.rmdir()

    def tidy(self, statuses: Callable[[], Mapping[str, str]]) -> None:
        """Remove what a sweep that was killed has left of trials that it had concluded. statuses: of all trials."""
        if self._root.is_dir():
            known = statuses()
            for folder in self._root.iterdir():
                self.concluded(folder.name, known.get(folder.name, "pending"))
            self.committed()


def _remove(folder: Path) -> None:
    """First what makes a checkpoint one: whoever looks meanwhile, or after a kill, sees none, and not half of one."""
    if folder.is_symlink():  # what it leads to is no trial's of ours
        folder.unlink(missing_ok=True)
        return
    for header in folder.glob("*.json"):
        with contextlib.suppress(OSError):
            header.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
