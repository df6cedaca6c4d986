import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.cli import run as orch
from orchestrator.engine import EpochDone
from orchestrator.grid.settings import Destination
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.wandb.ledger import Ledger
from orchestrator.wandb.process import WandbWriter, has_key, surroundings
from orchestrator.wandb.push import destination
from orchestrator.wandb.runs import RunUnit
from tests.orchestrator.sample import (
    BEGIN,
    CNN_ADAM,
    CNN_SGD,
    MLP_SGD,
    complete,
    environment,
    fail,
    plan,
    write_running,
    write_sample,
)
from tests.orchestrator.tuned_sample import SGD, tuning_id, write_tuned
from tests.orchestrator.wandb.wandb_session import write
from tests.trainables.epoch_rows import epoch_row

KEY = "feedc0de" * 5


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests may have a key: none of them sends anything anywhere."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


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
    assert write(paths, mode="offline").written == 9
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
    assert write(paths, mode="offline").written == 0
    assert len(list(paths.wandb.glob("offline-run-*"))) == 9


def test_a_trial_that_tunes_is_a_run_of_its_own_type_with_the_values_it_tried(tmp_path: Path):
    paths = write_tuned(tmp_path / "tuned")
    assert write(paths, mode="offline").written == 13
    (folder,) = run_folders(paths, tuning_id(SGD, 1))
    records = inspect(folder)
    run = records["run"][0]["run"]
    assert run["job_type"] == "tuning"
    assert run["display_name"] == "digits · mlp · sgd · none · tuning model.hidden=[64, 32] optimizer.lr=0.9"
    config = run["config"]["update"]
    assert (config["purpose"], config["tuned.optimizer.lr"], config["tuned.model.hidden"]) == ("tuning", 0.9, [64, 32])
    summary = {key: value for record in records["summary"] for key, value in record["summary"]["update"].items()}
    assert summary["val_accuracy"] == 0.95
    assert "test_accuracy" not in summary

    (folder,) = run_folders(paths, SGD.trial_id(1))
    seed = inspect(folder)["run"][0]["run"]
    assert (seed["job_type"], seed["run_group"]) == ("sweep", run["run_group"])
    config = seed["config"]["update"]
    assert (config["purpose"], config["tuned.optimizer.lr"], config["seed"]) == ("evaluation", 0.9, 1)


def test_the_summary_keeps_the_selected_epochs_score_not_the_last_ones(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    complete(journal, CNN_SGD, 0, accuracy=0.7)
    journal.epoch_done(EpochDone(CNN_SGD.trial_id(0), 1, epoch_row(4, accuracy=0.1)))
    journal.close()
    write(paths, mode="offline")
    (folder,) = run_folders(paths, CNN_SGD.trial_id(0))
    values = [record["summary"]["update"].get("val_accuracy") for record in inspect(folder)["summary"]]
    assert [value for value in values if value is not None][-2:] == [0.1, 0.7]


def test_a_trial_that_ran_again_is_written_again_in_place_of_the_first(tmp_path: Path):
    paths = ResultsPaths(tmp_path / "demo")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, (MLP_SGD,), seeds=(0,))
    fail(journal, MLP_SGD, 0)
    journal.commit()
    assert write(paths, mode="offline").written == 1
    complete(journal, MLP_SGD, 0, accuracy=0.9, attempt=2)
    journal.close()
    assert write(paths, mode="offline").written == 1
    (folder,) = run_folders(paths, MLP_SGD.trial_id(0))
    assert "completed" in inspect(folder)["run"][0]["run"]["tags"]


def test_it_follows_a_sweep_and_writes_the_rest_when_that_ends(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    writer = WandbWriter()
    writer.start(paths, "offline", Destination("demo"))
    deadline = time.monotonic() + 60
    while not run_folders(paths, MLP_SGD.trial_id(0)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    complete(journal, CNN_SGD, 0, accuracy=0.8)
    journal.close()
    assert writer.finish(timeout=60) == "written"
    assert len(run_folders(paths, CNN_SGD.trial_id(0))) == 1
    assert "2 runs written" in paths.wandb_log.read_text()


def test_disabled_starts_nothing(tmp_path: Path):
    paths = ResultsPaths(tmp_path)
    writer = WandbWriter()
    writer.start(paths, "disabled", Destination("demo"))
    assert writer.finish(timeout=0) == "written"
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
    first, second, third = (RunUnit(name, "7") for name in ("a", "b", "c"))
    ledger = Ledger(path)
    ledger.add(first, "a-1", "offline")
    ledger.add(second, "b-1", "online")
    path.write_bytes(path.read_bytes()[:-9])
    again = Ledger(path)
    assert (again.state("a-1"), again.state("b-1")) == ("offline", None)
    again.add(third, "c-1", "online")
    with path.open("a") as file:
        file.write('{"trial_id": [1], "run_id": "d-1", "mode": "online"}\n' + "[" * 100_000 + "\n[7]\n")
    final = Ledger(path)
    assert (final.state("a-1"), final.state("c-1"), final.state("d-1")) == ("offline", "online", None)


def test_other_ends_of_a_trial_are_superseded_once_rows_may_have_left(tmp_path: Path):
    ledger = Ledger(tmp_path / "sent.jsonl")
    first, second, third = (RunUnit("a", end) for end in ("1", "2", "3"))
    assert len({one.run_id("d") for one in (first, second, third)}) == 3
    ledger.add(first, "a-1", "offline")
    assert ledger.earlier(second, "a-2") == []
    ledger.add(second, "a-2", "begun")
    ledger.add(second, "a-2", "offline")  # the key has gone meanwhile: some rows may be there all the same
    assert ledger.earlier(third, "a-3") == ["a-2"]
    ledger.add(second, "a-2", "superseded")
    assert Ledger(tmp_path / "sent.jsonl").earlier(third, "a-3") == []


def test_a_key_for_a_server_with_a_port_is_found_and_a_file_that_is_no_text_holds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:8080")
    (tmp_path / "netrc").write_text("machine 127.0.0.1:8080 login user password 0123456789\n")
    assert has_key()
    (tmp_path / "netrc").write_bytes("machine hôte".encode("latin-1"))
    assert not has_key()


def test_the_writer_gets_the_account_and_nothing_of_other_runs(monkeypatch: pytest.MonkeyPatch):
    for name in ("WANDB_API_KEY", "WANDB_DEBUG", "WANDB_FORK_FROM", "WANDB_SERVICE", "WANDB_MODE"):
        monkeypatch.setenv(name, "x")
    assert [name for name in surroundings() if name.startswith("WANDB_")] == ["WANDB_API_KEY"]


def test_where_runs_go_is_what_the_latest_grid_says(tmp_path: Path):
    paths = ResultsPaths(tmp_path / "demo")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, (MLP_SGD,), seeds=(0,))
    text = "name: digits\nwandb: {project: shared, entity: lab, runs: cells}\n"
    later = replace(environment(), environment_id="f" * 16, started_at=BEGIN + timedelta(hours=1), grid=text)
    journal.environment(later)
    journal.close()
    assert destination(paths, None, None) == Destination("shared", "lab", "cells")
    assert destination(paths, "mine", None) == Destination("mine", "lab", "cells")


def test_a_slots_process_is_no_child_of_a_wandb_client(monkeypatch: pytest.MonkeyPatch):
    for name in ("WANDB_SERVICE", "WANDB_RUN_ID"):
        monkeypatch.setenv(name, "of-the-users-shell")
    assert not {"WANDB_SERVICE", "WANDB_RUN_ID"} & surroundings().keys()
    script = (
        "import os; from clusters.environment import prepare_environment; from clusters.file import read_cluster;"
        "prepare_environment(read_cluster(None)); print('WANDB_SERVICE' in os.environ)"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
    )


def test_without_a_key_a_push_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    paths = write_sample(tmp_path / "demo")
    assert orch(["wandb", "push", str(paths.root)]) == 2
    assert "run `wandb login`, or set WANDB_API_KEY" in capsys.readouterr().err
