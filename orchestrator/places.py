"""Where this machine keeps data: the data folder, the grid's own folder, the cache of decoded arrays."""

import os
from pathlib import Path

from orchestrator.errors import UserError
from trainables.dataset import DataPlace


def data_place(data: Path | None, grid: Path | None) -> DataPlace:
    """The places of a sweep. `data` comes from `--data`, else from ORCH_DATA. Raises UserError where it is missing."""
    origin, folder = "--data", data
    if folder is None and os.environ.get("ORCH_DATA"):
        origin, folder = "ORCH_DATA", Path(os.environ["ORCH_DATA"])
    if folder is not None and not folder.is_dir():
        raise UserError(f"the data folder {folder} ({origin}) does not exist; create it or name another")
    return DataPlace(
        data=None if folder is None else folder.resolve(),
        beside=None if grid is None else grid.resolve().parent,
        cache=cache_folder(),
    )


def cache_folder() -> Path:
    """ORCH_CACHE, else `orch` in the user's cache folder (XDG Base Directory Specification)."""
    if own := os.environ.get("ORCH_CACHE"):
        return Path(own).resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "orch"
