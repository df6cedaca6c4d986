"""What ends a local Ray whose sweep was killed."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from clusters import temporary
from clusters.reaper import Reaper
from clusters.temporary import RayFolder

SWEEP = """
import subprocess, sys, time
from pathlib import Path
from clusters import temporary
from clusters.reaper import Reaper

temporary._ROOT = Path(sys.argv[1])
folder = temporary.RayFolder()
reaper = Reaper(str(folder.path), folder.lock)
command = [sys.executable, "-c", "import time; time.sleep(600)"]
titled = "import time, ray._raylet as ray; ray.setproctitle('ray::Agent'); print('titled', flush=True); time.sleep(600)"
log = (folder.path / "agent.err").open("w")
with reaper.marking():
    ours = subprocess.Popen(command, start_new_session=True)
    agent = subprocess.Popen([sys.executable, "-c", titled], start_new_session=True, stdout=subprocess.PIPE, stderr=log)
    agent.stdout.readline()
others = subprocess.Popen(command, start_new_session=True)
print(ours.pid, agent.pid, others.pid, reaper._process.pid, flush=True)
time.sleep(600)
"""


def test_a_killed_sweep_leaves_nothing_and_what_is_not_of_its_ray_lives(tmp_path: Path) -> None:
    sweep = subprocess.Popen([sys.executable, "-c", SWEEP, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert sweep.stdout is not None
    ours, agent, others, reaper = (psutil.Process(int(pid)) for pid in sweep.stdout.readline().split())
    try:
        sweep.kill()
        sweep.wait()
        psutil.wait_procs([ours, agent], timeout=60)
        assert not ours.is_running() and not agent.is_running()
        reaper.wait(timeout=60)
        assert others.is_running()
        assert list(tmp_path.iterdir()) == []
    finally:
        for process in (others, agent):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def test_who_is_dismissed_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "_ROOT", tmp_path)
    folder = RayFolder()
    reaper = Reaper(str(folder.path), folder.lock)
    with reaper.marking():
        ours = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        reaper.dismiss()
        assert reaper._process.returncode == 0
        assert ours.poll() is None
        assert folder.path.exists()
    finally:
        ours.kill()
        folder.remove()
