"""The place of data on the machine that a trial runs on, which need not be the one where it was ordered."""

import os
import socket
from dataclasses import replace
from pathlib import Path

from trainables.dataset import DataPlace
from trainables.errors import DataMissing


def cache_folder() -> Path:
    """ORCH_CACHE, else `orch` in the user's cache folder (XDG Base Directory Specification).

    Raises DataMissing where the user has neither a home nor a name.
    """
    if own := os.environ.get("ORCH_CACHE"):
        return Path(own).resolve()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "orch"
    try:
        return Path.home() / ".cache" / "orch"
    except RuntimeError:
        raise DataMissing(
            f"there is no place for decoded data: user {os.getuid()} has no home folder; set ORCH_CACHE to a folder that"
            " can be written to"
        ) from None


def here(place: DataPlace) -> DataPlace:
    """The place on this machine: the same data folder, and a cache of its own. Raises DataMissing without the folder.

    A place without a host is any machine's as it is.
    """
    host = socket.gethostname()
    if place.data is not None and not place.data.is_dir():
        raise DataMissing(
            f"the data folder {place.data} is not there on {host}: every node needs it under the path that `data` in the"
            " cluster file says"
        )
    return place if place.host in ("", host) else replace(place, cache=cache_folder())
