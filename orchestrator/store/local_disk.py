"""Where on this machine's own disk the journals of results on a network file system live."""

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import Final

from orchestrator.errors import UserError
from orchestrator.store.filesystem import is_network
from orchestrator.store.paths import ResultsPaths
from trainables.errors import DataMissing
from trainables.own_place import cache_folder
from trainables.whole_file import unfinished

JOURNAL_DIR: Final = "ORCH_JOURNAL_DIR"
"""Environment variable: the folder of journals, in place of the cache folder's."""


def journals_folder() -> Path:
    """A folder on local disk that stays over a restart. Raises UserError where none is known."""
    if own := os.environ.get(JOURNAL_DIR):
        if is_network(Path(own)):
            raise UserError(
                f"{JOURNAL_DIR}={own} lies on a network file system; name a folder on a disk of this machine"
            )
        return Path(own)
    # a cluster's homes are mostly a network's, and so is the cache folder then
    folders = [Path(f"/var/tmp/orch-{os.getuid()}/journals")]  # noqa: S108 # nosec B108
    with suppress(DataMissing):  # a user without a home
        folders.insert(0, cache_folder() / "journals")
    for folder in folders:
        if not is_network(folder) and _ours(folder.parent):
            return folder
    raise UserError(
        f"the results lie on a network file system, and no disk of this machine was found for their journal; set"
        f" {JOURNAL_DIR} to a folder on one"
    )


def folder_of(paths: ResultsPaths) -> Path:
    """Of one results directory, by its path."""
    root = os.path.realpath(paths.root)
    return journals_folder() / f"{Path(root).name}-{blake2b(os.fsencode(root), digest_size=8).hexdigest()}"


def machine_id() -> str:
    """16 hex digits of whoever shares the folder of journals: this machine, however often it is started."""
    path = journals_folder() / "machine"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with unfinished(path) as made:
            made.write(token_hex(8).encode())
            made.flush()
            with suppress(FileExistsError):  # another one did the same at this moment, and came first
                os.link(made.name, path)
    return path.read_text()


def _ours(folder: Path) -> bool:
    """Whether the folder is, or can be made, ours alone: in /var/tmp anybody may have been there before."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return not folder.is_symlink() and folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK)
    except OSError:
        return False
