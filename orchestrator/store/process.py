"""Which process it is, of all that ever had its number."""

from pathlib import Path

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def born(pid: int) -> str | None:
    """When a process of this machine began: at which start of the machine, and how long after it. None where there is none.

    Whoever sets the clock changes nothing of it, as would be the case with a time of day.
    """
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
        # proc(5): the name in brackets may hold anything, then follow the state and, as the 22nd field, the start in ticks
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if _BOOT.exists() else _by_the_clock(pid)
    return None if state in (b"Z", b"X") else f"{boot} {fields[18].decode()}"


def _by_the_clock(pid: int) -> str | None:
    """Where there is no Linux."""
    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
