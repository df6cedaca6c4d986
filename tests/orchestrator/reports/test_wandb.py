import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.engine import EpochDone
from orchestrator.reports.runs import Finished
from orchestrator.reports.sent import SentRuns
from orchestrator.reports.wandb_process import WandbWriter, has_key
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.sample import CNN_ADAM, CNN_SGD, MLP_SGD, complete, fail, plan, write_running, write_sample
from trainables.records import EpochRow

KEY = "feedc0de" * 5


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests may have a key: none of them sends anything anywhere."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


def write(paths: ResultsPaths, mode: str = "offline", *options: str) -> str:
    command = [sys.executable, "-m", "orchestrator.reports.wandb", str(paths.root), "--mode", mode, "--project", "demo"]
    command += options
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stderr


def run_folders(paths: ResultsPaths, trial_id: str) -> list[Path]:
    return list(paths.wandb.glob(f"offline-run-*-{trial_id}-*"))


def inspect(folder: Path) -> dict[str, list[dict]]:
    """The run's records by type, as W&B's own reader sees them."""
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, list[dict]] = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        found.setdefault(record["type"], []).append(record)
    return found


def test_each_finished_trial_is_one_offline_run_written_once(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    assert "9 runs written" in write(paths)
    (folder,) = run_folders(paths, CNN_SGD.trial_id(0))
    records = inspect(folder)
    run = records["run"][0]["run"]
    assert run["run_id"].startswith(f"{CNN_SGD.trial_id(0)}-")
    assert run["display_name"] == "digits · cnn · sgd lr=0.1 · none · seed 0"
    assert run["run_group"] == f"digits · cnn · sgd lr=0.1 · none [{CNN_SGD.cell_id}]"
    assert run["job_type"] == "sweep"
    config = run["config"]["update"]
    assert (config["optimizer.lr"], config["model.hidden"], config["protocol.splits.test"]) == (0.1, [64, 32], 0.2)
    assert config["seed"] == 0
    steps = [
        (record["history"]["step"]["num"], record["history"]["item"]["val_accuracy"]) for record in records["history"]
    ]
    assert steps == [(1, pytest.approx(0.79)), (2, pytest.approx(0.89)), (3, pytest.approx(0.99))]
    summary = {key: value for record in records["summary"] for key, value in record["summary"]["update"].items()}
    assert (summary["test_accuracy"], summary["status"]) == (0.99, "completed")

    (broken,) = run_folders(paths, CNN_ADAM.trial_id(0))
    assert inspect(broken)["exit"][0]["exit"]["exit_code"] == 1
    assert "0 runs written" in write(paths)
    assert len(list(paths.wandb.glob("offline-run-*"))) == 9


def test_the_summary_keeps_the_selected_epochs_score_not_the_last_ones(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    complete(journal, CNN_SGD, 0, accuracy=0.7)
    journal.epoch_done(EpochDone(CNN_SGD.trial_id(0), 1, EpochRow(4, 0.1, 0.9, 0.9, 0.5, 0.1, val_accuracy=0.1)))
    journal.close()
    write(paths)
    (folder,) = run_folders(paths, CNN_SGD.trial_id(0))
    values = [record["summary"]["update"].get("val_accuracy") for record in inspect(folder)["summary"]]
    assert [value for value in values if value is not None][-2:] == [0.1, 0.7]


def test_a_trial_that_ran_again_is_written_again_in_place_of_the_first(tmp_path: Path):
    paths = ResultsPaths(tmp_path / "demo")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, (MLP_SGD,), seeds=(0,))
    fail(journal, MLP_SGD, 0)
    journal.commit()
    assert "1 runs written" in write(paths)
    complete(journal, MLP_SGD, 0, accuracy=0.9, attempt=2)
    journal.close()
    assert "1 runs written" in write(paths)
    (folder,) = run_folders(paths, MLP_SGD.trial_id(0))
    assert "completed" in inspect(folder)["run"][0]["run"]["tags"]


def test_it_follows_a_sweep_and_writes_the_rest_when_that_ends(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    writer = WandbWriter()
    writer.start(paths, "offline", "demo")
    deadline = time.monotonic() + 60
    while not run_folders(paths, MLP_SGD.trial_id(0)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    complete(journal, CNN_SGD, 0, accuracy=0.8)
    journal.close()
    assert writer.finish(timeout=60)
    assert len(run_folders(paths, CNN_SGD.trial_id(0))) == 1
    assert "2 runs written" in paths.wandb_log.read_text()


def test_without_an_answer_runs_go_offline_and_the_key_goes_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    paths, journal = write_running(tmp_path / "demo")
    journal.close()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # the discard port: nothing listens
    said = write(paths, "auto", "--answer-seconds", "2")
    assert said.count("W&B does not answer") == 1
    assert "1 runs written" in said
    assert len(run_folders(paths, MLP_SGD.trial_id(0))) == 1
    assert KEY not in said
    assert not [path for path in paths.root.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_disabled_starts_nothing(tmp_path: Path):
    paths = ResultsPaths(tmp_path)
    writer = WandbWriter()
    writer.start(paths, "disabled", "demo")
    assert writer.finish(timeout=0)
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_found_in_the_environment_and_in_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert not has_key()
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert not has_key()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert has_key()


def test_a_line_that_a_crash_cut_off_is_sent_again_and_spoils_no_other(tmp_path: Path):
    path = tmp_path / "wandb" / "sent.jsonl"
    first, second, third = (Finished(name, 1, 7) for name in ("a", "b", "c"))
    sent = SentRuns(path)
    sent.add(first, "a-1", "offline")
    sent.add(second, "b-1", "offline")
    path.write_bytes(path.read_bytes()[:-9])
    again = SentRuns(path)
    assert first in again
    assert second not in again
    again.add(third, "c-1", "offline")
    final = SentRuns(path)
    assert first in final
    assert third in final
    assert Finished("a", 2, 8) not in final
