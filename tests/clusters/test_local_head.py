"""A Ray that is started here has the processes that a sweep uses, and listens on loopback alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestrator.processes import PATIENCE, environment

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

LOOKS = """\
import json, sys
import psutil
from clusters.environment import prepare_environment
from clusters.file import read_cluster

spec = read_cluster(None)
prepare_environment(spec)
import ray
if sys.argv[1] == "another Ray":
    sys.modules["ray._private.parameter"] = None
from clusters.ray_cluster import RayCluster
from orchestrator.engine.code import CODE

cluster = RayCluster(spec, CODE)
cluster.open()
try:
    family = psutil.Process().children(recursive=True)
    lines = [" ".join(each.cmdline()) for each in family]
    found = [any(word in line for line in lines) for word in ("raylet", "gcs_server", "monitor.py", "dashboard.py")]
    heard = {each.laddr.ip for one in family for each in one.net_connections() if each.status == psutil.CONN_LISTEN}
    answer = ray.get(ray.remote(lambda: 7).remote())
    print(json.dumps([found, sorted(heard), answer, len(cluster.nodes)]))
finally:
    cluster.close()
"""


@pytest.mark.parametrize(
    ("which", "monitors"), [("this Ray", False), pytest.param("another Ray", True, marks=pytest.mark.slow)]
)
def test_a_local_ray_has_what_a_sweep_uses(tmp_path: Path, which: str, monitors: bool) -> None:
    (tmp_path / "looks.py").write_text(LOOKS)
    command = [sys.executable, "looks.py", which]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert ended.stderr == "", "Ray says nothing of what is left out"
    found, heard, answer, nodes = json.loads(ended.stdout)
    assert found == [True, True, monitors, False]
    assert set(heard) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert (answer, nodes) == (7, 1)
