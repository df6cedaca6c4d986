import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.reports.sent import SentRuns
from orchestrator.reports.wandb_process import WandbWriter, has_key
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.sample import CNN_ADAM, CNN_SGD, MLP_SGD, complete, fail, write_running, write_sample

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests may have a key: none of them sends anything anywhere."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


def write(paths: ResultsPaths, mode: str = "offline") -> str:
    command = [sys.executable, "-m", "orchestrator.reports.wandb", str(paths.root), "--mode", mode, "--project", "demo"]
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
    print(json.dumps(inspect(folder))[:6000])
    assert "0 runs written" in write(paths)
    assert len(list(paths.wandb.glob("offline-run-*"))) == 9
    assert False
