"""Whether a folder lies on a disk of this machine, or on one that other machines write too."""

import os
import re
from pathlib import Path
from typing import Final

NETWORK_FOLDERS: Final = "ORCH_NETWORK_FOLDERS"
"""Environment variable: folders, separated by colons, that are a network's whatever their file system is called."""

_MOUNTS: Final = Path("/proc/self/mountinfo")
_TYPES: Final = frozenset(
    [
        "9p",
        "acfs",
        "afs",
        "afp",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "fhgfs",
        "fuse",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "mfs",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "prl_fs",
        "pvfs2",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
        "wekafs",
    ]
)
_LOCAL_FUSE: Final = frozenset({"fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.ntfs-3g"})


def is_network(path: Path) -> bool:
    """Whether other machines may write there too. `path` need not exist. A FUSE file system counts as one: most are."""
    place = Path(os.path.realpath(path))
    declared = [Path(os.path.realpath(folder)) for folder in os.environ.get(NETWORK_FOLDERS, "").split(":") if folder]
    if any(place.is_relative_to(folder) for folder in declared):
        return True
    try:
        return _network_type(_type_at(place, _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")))
    except OSError:  # no Linux: nothing is known, and one machine is the usual case
        return False


def _network_type(name: str) -> bool:
    return name in _TYPES or (name.startswith("fuse.") and name not in _LOCAL_FUSE)


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
