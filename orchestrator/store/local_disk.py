"""Where on this machine's own disk the journals of results on a network file system live."""

import os
import re
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import Final

from orchestrator.errors import UserError
from orchestrator.store.paths import ResultsPaths
from trainables.data.files import unfinished
from trainables.errors import DataMissing

# Whether a folder lies on a disk of this machine, or on one that other machines write too.

NETWORK_FOLDERS: Final = "ORCH_NETWORK_FOLDERS"
"""Environment variable: folders, separated by colons, that are a network's whatever their file system is called."""

_MOUNTS: Final = Path("/proc/self/mountinfo")
_TYPES: Final = (
    "9p acfs afs afp beegfs ceph cifs coda davfs fhgfs fuse gfs2 glusterfs gpfs lustre mfs ncpfs nfs nfs4 ocfs2 "
    "orangefs panfs prl_fs pvfs2 smb2 smb3 smbfs vboxsf virtiofs vmhgfs wekafs"
)
NETWORK_TYPES: Final = frozenset(_TYPES.split())
_LOCAL_FUSE: Final = frozenset({"fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.ntfs-3g"})


def is_network(path: Path) -> bool:
    """Whether other machines may write there too. `path` need not exist. A FUSE file system counts as one: most are."""
    return network_of(path) is not None


def network_of(path: Path) -> str | None:
    """What kind of network file system it lies on, in a word or two; None where it is on a disk of this machine."""
    place = Path(os.path.realpath(path))
    declared = [Path(os.path.realpath(folder)) for folder in os.environ.get(NETWORK_FOLDERS, "").split(":") if folder]
    if any(place.is_relative_to(folder) for folder in declared):
        return f"by {NETWORK_FOLDERS}"
    try:
        found = _type_at(place, _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:  # no Linux: nothing is known, and one machine is the usual case
        return None
    return found if _network_type(found) else None


def _network_type(name: str) -> bool:
    return name in NETWORK_TYPES or (name.startswith("fuse.") and name not in _LOCAL_FUSE)


def _type_at(place: Path, mounts: str) -> str:
    """File system under the longest mount point that holds the place; of two at one point the later hides the other."""
    found, longest = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = Path(_unescaped(fields[4]))
        if place.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = after.split(" ")[0], len(point.parts)
    return found


def _unescaped(text: str) -> str:
    """mountinfo writes blanks and backslashes as octal numbers (proc(5))."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


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
        from trainables.data.cache import cache_folder  # brings numpy along, which reading a journal does without

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
