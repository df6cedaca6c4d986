import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.status import command
from orchestrator.errors import DamagedResults, UserError
from orchestrator.store.lock import ResultsLock
from tests.orchestrator.sample import CNN_ADAM, CNN_SGD, MLP_SGD, complete, plan, write_running, write_sample
from tests.orchestrator.tuned_sample import write_tuned


def status(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_counts_are_those_of_the_planned_trials(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    shown = json.loads(status(paths.root, "--json").stdout)
    assert shown["counts"] == {
        "cancelled": 1,
        "completed": 6,
        "diverged": 1,
        "failed": 1,
        "out_of_memory": 1,
        "skipped": 2,
    }
    assert shown["planned"] == 12
    assert shown["sweep"] == "demo"
    assert {failure["trial_id"] for failure in shown["failures"]} == {CNN_ADAM.trial_id(0), CNN_ADAM.trial_id(1)}


def test_a_running_sweep_is_seen_while_it_writes(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    with ResultsLock(paths):
        shown = json.loads(status(paths.root, "--json").stdout)
        assert shown["counts"] == {"completed": 1, "pending": 2, "running": 1}
        (running,) = shown["running"]
        assert running["trial_id"] == CNN_SGD.trial_id(0)
        assert running["epoch"] == 2
        assert shown["holder"]["pid"] == os.getpid()
        assert shown["eta_seconds"] > 0
        complete(journal, MLP_SGD, 1, accuracy=0.9)
        journal.commit()
        text = status(paths.root).stdout
    journal.close()
    assert "2 of 4 trials done" in text
    assert f"process {os.getpid()}" in text
    assert "2 epochs" in text


def test_trials_of_an_earlier_grid_are_counted_apart(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    plan(journal, (MLP_SGD,), seeds=(0, 1))
    journal.close()
    shown = json.loads(status(paths.root, "--json").stdout)
    assert sum(shown["counts"].values()) == 2
    assert shown["unplanned"] == 2


def test_trials_that_tune_are_counted_and_named_by_their_values(tmp_path: Path):
    paths = write_tuned(tmp_path / "tuned")
    shown = json.loads(status(paths.root, "--json").stdout)
    assert (shown["planned"], shown["tuning"]) == (18, 12)
    text = status(paths.root).stdout
    assert text.splitlines()[:7] == [
        "tuned: 13 of 18 trials done",
        "  completed            10",
        "  diverged              1",
        "  failed                2",
        "  pending               5",
        "  (for tuning)         12",
        "",
    ]
    assert "digits / mlp / adam / none / tuning model.hidden=[16] optimizer.lr=0.5: failed" in text


@pytest.mark.parametrize("process", ["dead", "reused"])
def test_the_note_of_a_killed_sweep_is_not_believed(tmp_path: Path, process: str):
    paths, journal = write_running(tmp_path / "demo")
    journal.close()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    note = {
        "user": "ada",
        "host": socket.gethostname(),
        "pid": ended.pid if process == "dead" else os.getpid(),
        # the process of that number was born after the note was signed
        "since": datetime(2001, 1, 1, tzinfo=UTC).isoformat() if process == "reused" else datetime.now(UTC).isoformat(),
    }
    paths.lock_holder.write_text(json.dumps(note))
    shown = json.loads(status(paths.root, "--json").stdout)
    assert shown["holder"] is None
    assert "no sweep runs here; 3 trials wait" in status(paths.root).stdout


def test_the_note_of_another_machine_is_believed(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    note = {"user": "ada", "host": "elsewhere.invalid", "pid": 1, "since": "2026-11-02T09:00:00+00:00"}
    paths.lock_holder.write_text(json.dumps(note))
    assert "the sweep of ada on elsewhere.invalid, process 1" in status(paths.root).stdout


def test_a_missing_folder_is_the_users_error_and_names_the_near_one(tmp_path: Path):
    write_sample(tmp_path / "demo")
    error = status(tmp_path / "dmo").exception
    assert isinstance(error, UserError)
    assert str(tmp_path / "demo") in str(error)


@pytest.mark.parametrize("kind", ["empty folder", "file"])
def test_what_is_no_results_directory_is_the_users_error(tmp_path: Path, kind: str):
    target = tmp_path / "it"
    target.write_text("x") if kind == "file" else target.mkdir()
    assert isinstance(status(target).exception, UserError)


@pytest.mark.parametrize("content", [b"", b"not a database at all, not at all" * 100])
def test_a_damaged_journal_is_told_apart(tmp_path: Path, content: bytes):
    paths = write_sample(tmp_path)
    paths.journal.write_bytes(content)
    assert isinstance(status(tmp_path).exception, DamagedResults)


def test_it_imports_nothing_heavy_and_writes_nothing(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    before = {path.name: path.read_bytes() for path in paths.root.iterdir() if not path.name.endswith(("-shm", "-wal"))}
    script = (
        "import sys; from orchestrator.cli.status import command\n"
        "command(sys.argv[1:], standalone_mode=False)\n"
        "print(sorted({'torch', 'ray', 'pandas', 'wandb', 'plotly'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(paths.root)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    after = {path.name: path.read_bytes() for path in paths.root.iterdir() if not path.name.endswith(("-shm", "-wal"))}
    assert after == before
