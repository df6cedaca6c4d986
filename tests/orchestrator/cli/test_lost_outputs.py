"""Whoever reads what a command says goes away, or cannot take it: no sweep ends by it, and no verdict changes."""

import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.marks import slow_but
from tests.orchestrator.processes import ORCH, PATIENCE, environment
from tests.orchestrator.sample import write_sample

GRID = """\
name: seen
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
seeds: 2
protocol: {epochs: 1}
wandb: {mode: disabled}
"""
SWEEP = "sweep grid.yaml --engine inline --json"
MISSED = 6
"""The exit code of a command whose output was wanted and could not be written."""
WAYS = {
    "a reader of output who has seen enough": ("| true", 0),
    "a reader of errors who has seen enough": ("2>&1 >/dev/null | head -n 1 >&2", 0),
    "a reader of both who has seen enough": ("2>&1 | head -n 1 >&2", 0),
    "a dead tee of output": ("> >(kill -9 $BASHPID)", 0),
    "a dead tee of errors": ("2> >(read line; kill -9 $BASHPID)", 0),
    "a dead tee of both": ("> >(read line; kill -9 $BASHPID) 2>&1", 0),
    "output on a full disk": (">/dev/full", MISSED),
    "errors on a full disk": ("2>/dev/full", 0),
    "both on a full disk": (">/dev/full 2>&1", MISSED),
    "output closed": (">&-", MISSED),
    "errors closed": ("2>&-", 0),
    "all closed": (">&- 2>&- <&-", MISSED),
}
"""How a shell loses what a command says, and the exit code then."""


def shell(folder: Path, command: str) -> "subprocess.CompletedProcess[str]":
    """`orch` as bash starts it; the code is that of orch wherever it is piped to."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"'{ORCH}' {command}"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def statuses(folder: Path) -> list[str]:
    return sorted(pq.read_table(folder / "results" / "seen" / "trials.parquet").column("status").to_pylist())


@pytest.fixture
def sweeps(tmp_path: Path) -> Path:
    (tmp_path / "grid.yaml").write_text(GRID)
    return tmp_path


FIRST = (
    "a reader of output who has seen enough",
    "a dead tee of both",
    "output on a full disk",
    "errors closed",
    "all closed",
)


@pytest.mark.parametrize("way", slow_but(FIRST, WAYS))
def test_a_sweep_whose_words_are_lost_runs_to_its_end(way: str, sweeps: Path) -> None:
    redirected, code = WAYS[way]
    ended = shell(sweeps, f"{SWEEP} {redirected}")
    assert ended.returncode == code, ended.stderr
    assert statuses(sweeps) == ["completed", "completed"]
    assert "Traceback" not in ended.stderr
    message = "standard output cannot be written" in ended.stderr
    assert message == (code == MISSED and way in ("output on a full disk", "output closed"))


def on_a_terminal(folder: Path, command: str) -> tuple[int, int]:
    """`orch` on a terminal of its own. (Its process, the other end of the terminal.)"""
    process, end = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execve("/bin/bash", ["bash", "-c", f"{command}"], environment())
    return process, end


def code_of(process: int) -> int:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise AssertionError("hung")


@pytest.mark.parametrize("options", slow_but(["-v"], ["", "-v"]))
def test_a_sweep_that_ignores_the_hangup_outlives_its_terminal(options: str, sweeps: Path) -> None:
    process, end = on_a_terminal(sweeps, f"trap '' HUP; exec '{ORCH}' sweep grid.yaml --engine inline {options}")
    assert os.read(end, 1)
    os.close(end)  # every write fails from now on: EIO
    assert code_of(process) == 0
    assert statuses(sweeps) == ["completed", "completed"]


def test_a_sweep_ends_in_good_order_with_its_terminal(sweeps: Path) -> None:
    slow = GRID.replace("seeds: 2", "seeds: 40").replace("epochs: 1", "epochs: 20")
    (sweeps / "grid.yaml").write_text(slow)
    process, end = on_a_terminal(sweeps, f"exec '{ORCH}' sweep grid.yaml --engine inline -v")
    said = b""
    while b"[2/40" not in said:
        said += os.read(end, 1000)
    os.close(end)
    assert code_of(process) == 128 + signal.SIGHUP
    ended = statuses(sweeps)
    assert ended.count("completed") >= 2
    assert set(ended) <= {"completed", "cancelled", "pending"}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    paths = write_sample(folder / "demo")
    paths.checksums.write_text("{}")
    trials = paths.root / "trials.parquet"
    trials.write_bytes(trials.read_bytes()[:-100])
    return folder


@pytest.mark.parametrize("redirected", ["| true", "| head -n 1", ">/dev/full", ">&-", ">&- 2>&-"])
@pytest.mark.parametrize("command", slow_but(["verify demo"], ["verify demo", "verify demo --json"]))
def test_damage_is_damage_whoever_reads_of_it(command: str, redirected: str, damaged: Path) -> None:
    assert shell(damaged, f"{command} {redirected}").returncode == 4


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_sample(folder / "demo")
    (folder / "grid.yaml").write_text(GRID)
    return folder


PRINTING = [
    "--help",
    "--version",
    "sweep --help",
    "results demo",
    "results demo --json",
    "results demo --csv",
    "status demo",
    "list model",
    "schema",
    "plan grid.yaml",
    "plan grid.yaml --json",
    "report demo --format md",
]


@pytest.mark.parametrize(
    "command", slow_but(["--help", "--version", "results demo --json", "plan grid.yaml"], PRINTING)
)
def test_what_a_command_prints_is_missed_where_it_cannot_be_written(command: str, whole: Path) -> None:
    ended = shell(whole, f"{command} >/dev/full")
    assert (ended.returncode, ended.stdout) == (MISSED, "")
    assert ended.stderr.splitlines()[-1] == "standard output cannot be written: No space left on device"
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("redirected", ["| true", "| head -n 1"])
def test_a_reader_may_have_seen_enough(redirected: str, whole: Path) -> None:
    ended = shell(whole, f"results demo --json {redirected}")
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-", ">/dev/full 2>&1", "2>&1 | true"])
@pytest.mark.parametrize("command", slow_but(["plan missing.yaml"], ["sweep", "plan missing.yaml", "nonsense"]))
def test_a_mistake_has_its_code_whether_it_can_be_reported_or_not(command: str, redirected: str, whole: Path) -> None:
    assert shell(whole, f"{command} {redirected}").returncode == 2


BEGINS = """\
import os, subprocess, sys
from orchestrator.outputs import open_outputs
open_outputs()
with open("message", "w") as file:
    print(file.fileno(), *(os.readlink(f"/proc/self/fd/{number}") for number in range(3)), file=file)
    subprocess.run([sys.executable, "-c", "print(1, flush=True)"], check=True)
"""


def test_no_file_takes_the_number_of_a_closed_stream(sweeps: Path) -> None:
    """Else what is printed would be written into it: into the journal, say. Nor in a process that is started."""
    ended = shell(sweeps, "sweep grid.yaml --engine inline <&- >&- 2>&-")
    assert ended.returncode == 0
    assert shell(sweeps, "verify results/seen").returncode == 0
    (sweeps / "begins.py").write_text(BEGINS)
    closed = f"'{ORCH.parent}/python' begins.py <&- >&- 2>&-"
    subprocess.run(["bash", "-c", closed], cwd=sweeps, env=environment(), check=True)
    number, *standard = (sweeps / "message").read_text().split()
    assert int(number) > 2
    assert standard == ["/dev/null"] * 3
