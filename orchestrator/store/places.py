"""What lies in a results directory where orch would write: where that is a link, it would write into what is no result."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import DamagedResults
from orchestrator.store.files import strange
from orchestrator.store.paths import ResultsPaths


@dataclass(frozen=True, slots=True)
class Strange:
    """Something else than the file or the folder that belongs there."""

    path: Path
    what: str
    """In words."""


def strange_places(paths: ResultsPaths) -> Iterator[Strange]:
    """Apart from journal, tables, checksums and what trials have left, of which others tell. Raises OSError."""
    beside = (paths.lock, paths.lock_holder, paths.stop_request, paths.fetched, paths.wandb_log)
    for file in (*beside, paths.wandb_lock, paths.wandb_sent, paths.wandb_report):
        if (what := strange(file)) is not None:
            yield Strange(file, what)
    for folder in paths.folders:
        if folder.is_symlink():
            yield Strange(folder, f"it is a link to {folder.readlink()}, and orch writes through none")
        elif folder.exists() and not folder.is_dir():
            yield Strange(folder, "it is no folder")


def refuse_strange_places(paths: ResultsPaths) -> None:
    """For whoever will write there. Raises DamagedResults."""
    for found in strange_places(paths):
        if not _is_replaced(found.path, paths):
            raise DamagedResults(
                f"{found.path} is damaged: {found.what}; move it away and run the same command again"
                " (a results directory as a whole may be a link)"
            )


def _is_replaced(path: Path, paths: ResultsPaths) -> bool:
    """Whether the next writer puts a file of its own in its place, or does without."""
    whole = path in (paths.lock_holder, paths.stop_request, paths.fetched, paths.wandb_report)
    return path == paths.wandb_log or path == paths.wandb_sent or (whole and path.is_symlink())
