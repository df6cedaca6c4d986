"""The system calls that a sweep makes on its results, each of them killed or failed in turn, by strace."""

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from results_schema import TABLES
from tests.chaos.figures import NOTHING, Figures, require
from tests.chaos.forked import Ended, start
from tests.chaos.invariant import check_end, check_struck, check_whole
from tests.chaos.lab import Lab

STRACE = shutil.which("strace")
CALLS = (
    "write,pwrite64,writev,fsync,fdatasync,ftruncate,fallocate,rename,renameat,renameat2,openat,unlink,unlinkat,mkdir"
)
"""What changes a file, or opens one."""
ERRORS = ("ENOSPC", "EIO")
ROUND, STRIDE = 1009, 389
"""There are fewer calls than ROUND, a prime: so many cases strike each of them once, and any few of them far apart."""

SECTOR = 512
"""Bytes that a disk writes as a whole, and a kernel all the more."""

_CALL = re.compile(rb"^(?:\d+ +)?(\w+)\((.*)$")
_WRITE = re.compile(rb'^\d+<((?:\\x[0-9a-f]{2})+)>, "((?:\\x[0-9a-f]{2})*)", \d+(?:, (\d+))?')


@dataclass(frozen=True, slots=True)
class Traced:
    """How a traced sweep ended, and what it did to its results."""

    ended: Ended
    calls: tuple[bytes, ...]
    """As strace writes them, with every string in hexadecimal."""


def kill_at_call(lab: Lab, random: Random, number: int) -> Figures:
    """Killed right before the nth call, with n going round all of them."""
    traced = run_traced(lab, [f"signal=SIGKILL:when={_nth(number)}"])
    return _go_on(lab, traced)


def kill_within_write(lab: Lab, random: Random, number: int) -> Figures:
    """Killed within the nth write: half of what it was to write is in the file."""
    traced = run_traced(lab, [f"signal=SIGKILL:when={_nth(number)}"], calls="write,pwrite64")
    if traced.ended.code < 0:
        _write_half(traced.calls[-1])
    return _go_on(lab, traced)


def fail_call(lab: Lab, random: Random, number: int) -> Figures:
    """The nth call fails: there is no room, or the device is broken."""
    rounds, number = divmod(number, ROUND)
    traced = run_traced(lab, [f"error={ERRORS[(rounds + number) % len(ERRORS)]}:when={_nth(number)}"])
    return _after_errors(lab, traced)


def fail_from_call_on(lab: Lab, random: Random, number: int) -> Figures:
    """From the nth write on there is no room: the disk is full."""
    traced = run_traced(lab, [f"error=ENOSPC:when={_nth(number)}+"], calls="write,pwrite64,ftruncate,fallocate,mkdir")
    return _after_errors(lab, traced)


def count_calls(lab: Lab, calls: str = CALLS) -> int:
    """How many there are when nothing fails."""
    traced = run_traced(lab, [], calls=calls)
    check_end(traced.ended, {0})
    return len(traced.calls)


def run_traced(lab: Lab, injected: Sequence[str], calls: str = CALLS) -> Traced:
    """The sweep under strace, which looks at nothing but the results."""
    assert STRACE is not None
    gate, log = lab.folder / "gate", lab.folder / "calls.log"
    gate.unlink(missing_ok=True)
    sweep = start(lab.folder, "sweep", "grid.yaml", "--engine", "inline", gate=gate)
    command = [STRACE, "-f", "-qq", "-y", "-xx", "-s", "1000000", "-o", str(log), "-p", str(sweep.pid)]
    for path in _watched(lab):
        command += ["-P", str(path)]
    command += ["-e", f"trace={calls}"]
    for injection in injected:
        command += ["-e", f"inject={calls}:{injection}"]
    strace = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while sweep.runs and not _is_traced(sweep.pid):
            require(strace.poll() is None, "strace ended before it had begun")
            time.sleep(0.001)
        gate.touch()
        ended = sweep.wait()
    finally:
        try:
            strace.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            strace.kill()
            strace.communicate()
    lines = log.read_bytes().splitlines()
    return Traced(ended, tuple(line for line in lines if _CALL.match(line)))


def _is_traced(pid: int) -> bool:
    try:
        return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:  # it has just ended
        return False


def _watched(lab: Lab) -> list[Path]:
    root = lab.results
    names = [f"journal.sqlite{end}" for end in ("", "-wal", "-shm", "-journal")]
    names += [name for table in TABLES for name in (f"{table.name}.parquet", f".{table.name}.parquet.tmp")]
    for name in ("journal.mark", "journal.seal", "checksums.json"):
        names += [name, f".{name}.tmp"]
    return [root, *(root / name for name in (*names, ".lock", ".lock.json", ".stop"))]


def _write_half(call: bytes) -> None:
    found = _CALL.match(call)
    written = found and _WRITE.match(found[2])
    require(bool(written), f"not a write: {call[:200]!r}")
    assert written
    path, data = _text(written[1]).decode(), _text(written[2])
    if len(data) < SECTOR:
        return
    with Path(path).open("r+b") as file:
        file.seek(int(written[3]) if written[3] else Path(path).stat().st_size)
        file.write(data[: len(data) // 2])


def _text(escaped: bytes) -> bytes:
    return bytes.fromhex(escaped.replace(b"\\x", b"").decode())


def _nth(number: int) -> int:
    return 1 + number * STRIDE % ROUND


def _go_on(lab: Lab, traced: Traced) -> Figures:
    require(traced.ended.code in {-9, 0}, f"ended with {traced.ended.code}: {traced.ended.errors}")
    if not traced.ended.code:
        return NOTHING  # there is no such call in this sweep
    before = check_struck(lab)
    check_end(lab.sweep(), {0}, "tables in")
    return check_whole(lab, before)


def _after_errors(lab: Lab, traced: Traced) -> Figures:
    check_end(traced.ended, {0, 2, 3})
    if not any(b"INJECTED" in call for call in traced.calls):
        check_end(traced.ended, {0})
        return NOTHING  # there is no such call in this sweep
    if traced.ended.code:
        require(bool(traced.ended.last_line), "it ended in silence")
    before = check_struck(lab)
    check_end(lab.sweep(), {0}, "tables in")
    return check_whole(lab, before)
