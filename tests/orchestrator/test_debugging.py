"""A trial before its user's eyes: `orch debug`, and a debugger within `orch sweep --engine inline`, both on a terminal."""

import os
import pty
import select
import signal
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.store.journal import Journal
from tests.forks import Fork
from tests.orchestrator.processes import PATIENCE, ROOT, environment, orch

PLUGIN = ROOT / "tests" / "plugins" / "pausing.py"
GRID = """\
name: paused
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [16]}]
  optimizer: [{name: adam, lr: 0.01}]
  regularizer: [%s]
seeds: %s
protocol: {epochs: 2}
wandb: {mode: disabled}
"""
ORCH = ("-m", "orchestrator")
PROMPT = "(Pdb) "


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the plug-in installed, as pip does it."""
    made = tmp_path_factory.mktemp("pausing")
    described = made / "pausing-1.0.dist-info"
    described.mkdir()
    (made / "pausing.py").write_text(PLUGIN.read_text())
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: pausing\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[orch.regularizers]\npause = pausing:Pause\n")
    return made


def surroundings(site: Path) -> dict[str, str]:
    paths = os.pathsep.join([str(site), str(ROOT)])
    return environment() | {"PYTHONPATH": paths, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}


def on_terminal(site: Path, folder: Path, *command: str, answers: list[str], prompt: str = PROMPT) -> tuple[int, str]:
    """Exit code of `python COMMAND` and all that its terminal shows; each prompt gets the next answer, if any is left."""
    ours, theirs = pty.openpty()
    process = Fork(folder, command, surroundings(site), os.ttyname(theirs))
    shown, seen, ends = "", 0, time.monotonic() + PATIENCE / 3
    try:
        while time.monotonic() < ends:
            ended = process.poll() is not None
            if select.select([ours], [], [], 0.1)[0]:
                shown += os.read(ours, 65_536).decode()
                if answers and prompt in shown[seen:]:
                    seen = len(shown)
                    os.write(ours, f"{answers.pop(0)}\n".encode())
            elif ended:
                break
        return process.wait(10), shown.replace("\r\n", "\n")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def swept(site: Path, folder: Path, regularizer: str, seeds: str = "2", *options: str) -> int:
    (folder / "grid.yaml").write_text(GRID % (regularizer, seeds))
    return orch(folder, "sweep", "grid.yaml", "--engine", "inline", "-q", *options, site=site).returncode


def trials(folder: Path) -> dict[str, str]:
    with closing(Journal.read(folder / "results" / "paused" / "journal.sqlite")) as journal:
        return journal.statuses()


def content(folder: Path) -> dict[str, bytes]:
    """Every file of the results with something in it, but for what SQLite makes for a reader."""
    files = (path for path in (folder / "results").rglob("*") if path.is_file() and not path.name.endswith("-shm"))
    return {str(path): found for path in files if (found := path.read_bytes())}


@pytest.mark.parametrize("at", ["breakpoint", "wrapped"])
def test_leaving_a_debugger_ends_an_inline_sweep_as_ctrl_c_does(site: Path, tmp_path: Path, at: str) -> None:
    (tmp_path / "grid.yaml").write_text(GRID % (f"{{name: pause, at: {at}}}", "3"))
    command = (*ORCH, "sweep", "grid.yaml", "--engine", "inline")
    code, shown = on_terminal(site, tmp_path, *command, answers=["p parameters", "q"])
    assert code == 128 + signal.SIGINT, shown
    assert "> " in shown and "pausing.py" in shown and "1210" in shown.split("p parameters")[1]
    assert "stopped by SIGINT; everything finished is kept. To go on: orch sweep" in shown
    assert "failed" not in shown and "Traceback" not in shown
    assert Counter(trials(tmp_path).values()) == {"cancelled": 1, "pending": 2}
    code, shown = on_terminal(
        site, tmp_path, *command, answers=["c"] * 6
    )  # what a net computes is counted with another
    assert (code, Counter(trials(tmp_path).values())) == (0, {"completed": 3}), shown


def test_where_nobody_sits_a_breakpoint_ends_an_inline_sweep_and_fails_no_trial(site: Path, tmp_path: Path) -> None:
    assert swept(site, tmp_path, "pause") == 130
    assert Counter(trials(tmp_path).values()) == {"cancelled": 1, "pending": 1}


def test_a_trial_runs_again_in_a_debugger_and_nothing_is_recorded(site: Path, tmp_path: Path) -> None:
    assert swept(site, tmp_path, "none, {name: pause, at: nothing}") == 0
    before, (trial, *_) = content(tmp_path), trials(tmp_path)
    code, shown = on_terminal(site, tmp_path, *ORCH, "debug", "results/paused", trial[:8], answers=[])
    assert code == 0, shown
    assert f"trial {trial} (completed), on cpu; nothing is recorded" in shown
    told = {line.split()[0]: line.split(maxsplit=1)[1] for line in shown.splitlines() if line.startswith("  ")}
    assert (told["model"], told["optimizer"]) == ("mlp(hidden=[16])", "adam(lr=0.01)")
    assert told["protocol"].startswith("epochs=2, batch_size=64")
    assert "epoch 2/2" in shown and shown.rstrip().endswith("; the same is stored")
    assert content(tmp_path) == before


def test_breakpoints_and_a_debuggers_own_start_are_met(site: Path, tmp_path: Path) -> None:
    swept(site, tmp_path, "pause")
    trial = next(trial for trial, status in trials(tmp_path).items() if status == "pending")
    code, shown = on_terminal(
        site, tmp_path, *ORCH, "debug", "results/paused", trial, answers=["p parameters", "c", "c"]
    )
    assert (code, shown.count(PROMPT)) == (0, 3), shown
    assert "1210" in shown and shown.rstrip().endswith("; none is stored")
    code, shown = on_terminal(site, tmp_path, *ORCH, "debug", "results/paused", trial, answers=["q"])
    assert code == 130 and "left the debugger; nothing was recorded" in shown and "Traceback" not in shown
    module = ("-m", "pdb", "-m", "orchestrator", "debug", "results/paused", trial)
    code, shown = on_terminal(site, tmp_path, *module, answers=["c", "up", "c", "c", "q"])
    assert code == 0 and "The program exited via sys.exit(). Exit status: 0" in shown, shown
    assert "pausing.py" in shown and "on_model(self.module)" in shown
    assert trials(tmp_path)[trial] == "pending"


def test_an_error_is_raised_whole_and_can_be_looked_into(site: Path, tmp_path: Path) -> None:
    assert swept(site, tmp_path, "{name: pause, at: error}", "1") == 1
    ((trial, status),) = trials(tmp_path).items()
    assert status == "failed"
    debug = ("debug", "results/paused", trial)
    code, shown = on_terminal(site, tmp_path, *ORCH, *debug, answers=[])
    assert code == 1 and "Traceback" in shown and shown.rstrip().endswith("ValueError: no net of 1210 parameters")
    code, shown = on_terminal(site, tmp_path, *ORCH, *debug, "--pdb", answers=["p parameters + 1", "q"])
    assert code == 1 and "1211" in shown, shown
    module = ("-m", "pdb", "-m", "orchestrator", *debug)
    code, shown = on_terminal(site, tmp_path, *module, answers=["c", "p parameters + 1", "q", "q"])
    assert "Running 'cont' or 'step' will restart the program" in shown and "1211" in shown, shown


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def debugged(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    handler = signal.getsignal(signal.SIGINT)
    try:
        code = run(["debug", "results/paused", *arguments])
    finally:
        signal.signal(signal.SIGINT, handler)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


VARIED = GRID.replace("seeds: %s", "seeds: {count: 2, vary: [init]}") % "none"
TUNED = (GRID % ("none", "1")).replace("{name: adam, lr: 0.01}", "adam") + (
    "tuning: {trials: 2, space: {optimizer.lr: [1e-3, 1e-1, log]}}\n"
)


def test_a_trial_of_varied_sources_and_one_of_a_tuned_cell_are_as_they_were(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for grid, name in ((VARIED, "varied"), (TUNED, "tuned")):
        (folder / "grid.yaml").write_text(grid)
        assert run(["sweep", "grid.yaml", "--engine", "inline", "-q"]) == 0, name
        for trial in trials(folder):
            code, out, _ = debugged(capsys, trial)
            assert code == 0 and out.rstrip().endswith("; the same is stored"), (name, out)
            assert "another version" not in out


def test_what_cannot_be_debugged_is_the_users_error(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "grid.yaml").write_text(GRID % ("none", "2"))
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q"]) == 0
    trial = next(iter(trials(folder)))
    assert debugged(capsys, "nothing")[::2] == (
        2,
        "no trial's id begins with 'nothing'; `orch results RESULTS` lists them\n",
    )
    code, _, errors = debugged(capsys, "")
    assert code == 2 and "2 trials begin with ''" in errors
    for device in ("gpu", "cuda:99", "meta", "; rm -rf /"):
        code, out, errors = debugged(capsys, trial, "--device", device)
        assert (code, out) == (2, "") and errors.startswith(f"--device {device}: ")
    code, _, errors = debugged(capsys, trial, "--data", "nowhere")
    assert code == 2 and "the data folder nowhere (--data) does not exist" in errors


def test_a_component_that_is_gone_is_named(site: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert swept(site, folder, "{name: pause, at: nothing}", "1") == 0
    (trial,) = trials(folder)
    code, out, errors = debugged(capsys, trial)
    assert (code, out) == (2, "")
    assert f"{trial} cannot be rebuilt from the journal: unknown regularizer 'pause'" in errors
