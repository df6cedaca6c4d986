"""Tasks that a slot's process cannot take are a failure of the slot: nobody would ever report it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestrator.processes import PATIENCE, environment

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

LOOKS = """\
import dataclasses, os, sys, time
from clusters.environment import prepare_environment
from clusters.file import read_cluster
from tests.orchestrator.engine.trial_tasks import trial_task

class Foreign:
    '''Has a meaning in the process that made it, and in no other.'''
    def __init__(self):
        self.home = os.getpid()
    def __setstate__(self, state):
        if os.getpid() != state["home"]:
            raise ValueError("no meaning here")

def never(given, context):
    raise AssertionError("no task gets there")

spec = read_cluster(None)
prepare_environment(spec)
import ray
from clusters.ray_cluster import RayCluster
from orchestrator.engine import Shape
from orchestrator.engine.code import CODE
from orchestrator.engine.placement import Placement
from orchestrator.engine.worker import SlotProcessClient

cluster = RayCluster(spec, CODE)
cluster.open()
try:
    single = SlotProcessClient("slot-1", Placement(Shape(1, 1, 0.0), (cluster.nodes[0].node_id,)), never)
    ray.get(single.connect())
    assert single.failure() is None, "nothing was submitted"
    single.submit([])
    ray.wait(list(single._submissions))
    single._looked = 0.0
    assert single.failure() is None, "what it took is no failure"
    single.submit([dataclasses.replace(trial_task(), location=Foreign())])
    ray.wait(list(single._submissions))
    single._looked = 0.0
    print(single.failure())
    single.close(graceful=False)
finally:
    cluster.close()
"""


def test_tasks_that_have_no_meaning_in_the_slots_process_are_reported_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "looks.py").write_text(LOOKS)
    ended = subprocess.run(
        [sys.executable, "looks.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("it could not take its tasks: ")
    assert "no meaning here" in ended.stdout
