"""Sweeps on a Ray of two raylets that somebody else has started: joined, and reached through jobs."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.orchestrator.joined_ray import JoinedRay, orch, two_machines, variables
from tests.orchestrator.processes import ORCH, PATIENCE, environment, write_grid

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def machines() -> Iterator[JoinedRay]:
    with two_machines() as joined:
        yield joined


@pytest.fixture
def folder(tmp_path: Path, machines: JoinedRay) -> Path:
    """A folder with cluster files and a grid `sweep` of 4 trials."""
    (tmp_path / "attach.yaml").write_text(machines.attach())
    (tmp_path / "send.yaml").write_text(f"{machines.attach()}code: send\nslots: {{most: 2}}\n")
    (tmp_path / "jobs.yaml").write_text(machines.jobs(tmp_path / "there"))
    (tmp_path / "wrong").touch(mode=0o600)
    (tmp_path / "wrong").write_text("f" * 64)
    for kind in ("attach", "jobs"):
        text = (tmp_path / f"{kind}.yaml").read_text()
        (tmp_path / f"{kind}-wrong.yaml").write_text(text.replace(str(machines.token), "wrong"))
        (tmp_path / f"{kind}-none.yaml").write_text(text.replace(f"token_file: {machines.token}\n", ""))
    write_grid(tmp_path, range(4))
    return tmp_path


def test_a_sweep_joins_with_its_own_code(folder: Path) -> None:
    ended = orch(folder, "sweep", "grid.yaml", "--cluster", "send.yaml")
    assert ended.returncode == 0, ended.stderr
    attempts = pd.read_parquet(folder / "results" / "sweep" / "attempts.parquet")
    assert list(attempts.status) == ["completed"] * 4
    secret = (folder / "attach.yaml").read_text().split()[-1]
    secret = Path(secret).read_text()
    kept = [path for path in (folder / "results").rglob("*") if path.is_file()]
    assert not [path for path in kept if secret.encode() in path.read_bytes()]


def test_a_plan_asks_it_what_fits_and_a_sweep_in_which_nothing_can_run_does_not_end_with_0(folder: Path) -> None:
    fits = orch(folder, "plan", "grid.yaml", "--cluster", "attach.yaml", "--json")
    assert (fits.returncode, json.loads(fits.stdout)["to_run"]) == (0, 4), fits.stderr
    grid = (folder / "grid.yaml").read_text()
    (folder / "large.yaml").write_text(grid.replace("workers: 1", "workers: 1, cpus: 1000"))
    planned = orch(folder, "plan", "large.yaml", "--cluster", "attach.yaml", "--json")
    assert planned.returncode == 2, planned.stderr
    ((reason, trials),) = [tuple(one.values()) for one in json.loads(planned.stdout)["without_room"]]
    assert (trials, "it needs 1000 CPUs" in reason, " has 2 nodes of " in reason) == (4, True, True)
    ended = orch(folder, "sweep", "large.yaml", "--cluster", "attach.yaml", "--results", "large")
    assert ended.returncode == 2, ended.stderr
    assert "nothing could run; 4 skipped" in ended.stderr
    assert f"4 × {reason}" in ended.stderr


WHERE = """\
import sys
from pathlib import Path
from clusters.environment import prepare_environment
from clusters.file import read_cluster
spec = read_cluster(Path(sys.argv[1]))
prepare_environment(spec)
import ray
from clusters.ray_cluster import RayCluster
from orchestrator.engine.code import CODE
cluster = RayCluster(spec, CODE)
cluster.open()
where = ray.remote(lambda: __import__("trainables").__file__)
print(len(cluster.nodes), ray.get(where.remote()))
cluster.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("file", "travels"), [("send.yaml", True), ("attach.yaml", False)])
def test_workers_run_the_code_that_was_sent_unless_every_node_is_this_machine(
    folder: Path, file: str, travels: bool
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WHERE, file], cwd=folder, env=environment(), capture_output=True, text=True
    )
    nodes, where = ended.stdout.split()
    assert int(nodes) == 2
    assert ("runtime_resources" in where) is travels, where


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["attach", "jobs"])
@pytest.mark.parametrize(("token", "said"), [("wrong", "token"), ("none", "token")])
def test_a_cluster_that_refuses_us_is_reported_with_its_likely_cause(
    folder: Path, kind: str, token: str, said: str
) -> None:
    ended = orch(folder, "sweep", "grid.yaml", "--cluster", f"{kind}-{token}.yaml")
    assert ended.returncode == 3
    assert said in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:9", "http://127.0.0.1:9"])
def test_nothing_listens_there(folder: Path, address: str) -> None:
    (folder / "gone.yaml").write_text(f"address: {address}\n")
    ended = orch(folder, "sweep", "grid.yaml", "--cluster", "gone.yaml")
    assert (ended.returncode, "nothing listens at" in ended.stderr) == (3, True)


HOLDS = """\
import sys
from pathlib import Path
from clusters.environment import prepare_environment
from clusters.file import read_cluster
from clusters.environment import use_token
spec = read_cluster(Path(sys.argv[1]))
use_token(spec)
prepare_environment(spec)
import ray
ray.init(address=spec.address, log_to_driver=False)
class Holder:
    def ready(self):
        return True
holders = [ray.remote(num_cpus=1)(Holder).remote() for _ in range(2)]
ray.get([holder.ready.remote() for holder in holders])
print("holds", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_sweep_that_waits_for_what_another_holds_says_so_and_who_it_is(
    folder: Path,
) -> None:
    (folder / "hold.py").write_text(HOLDS)
    holder = subprocess.Popen(
        [sys.executable, "hold.py", "attach.yaml", "the-other-user"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "holds\n"
    command = ["sweep", "grid.yaml", "--cluster", "attach.yaml"]
    (folder / "short.yaml").write_text((folder / "attach.yaml").read_text() + "start_timeout: 12\n")
    refused = orch(folder, "sweep", "grid.yaml", "--cluster", "short.yaml")
    assert refused.returncode == 3, refused.stderr
    (message,) = [line for line in refused.stderr.splitlines() if line.startswith("waiting for room")]
    for line in (message, refused.stderr.splitlines()[-1]):
        for part in ("0 of 2 CPUs", "the-other-user", f"process {holder.pid} on 127.0.0.1", "2 actors (2 Holder)"):
            assert part in line, line
    waits = subprocess.Popen([ORCH, *command], cwd=folder, env=variables(folder), stderr=subprocess.PIPE, text=True)
    assert waits.stderr is not None
    while not waits.stderr.readline().startswith("waiting for room"):
        assert waits.poll() is None
    holder.communicate("")
    _, errors = waits.communicate(timeout=PATIENCE)
    assert waits.returncode == 0, errors
    alone = orch(folder, "sweep", "grid.yaml", "--cluster", "attach.yaml", "--results", "alone")
    assert (alone.returncode, "waiting for room" in alone.stderr) == (0, False), "nobody else is there"


@pytest.mark.chaos  # each command is a job: a minute and more
def test_a_sweep_goes_to_the_cluster_and_its_results_come_back(folder: Path) -> None:
    planned = orch(folder, "plan", "grid.yaml", "--cluster", "jobs.yaml", "--json")
    assert json.loads(planned.stdout)["to_run"] == 4
    ended = orch(folder, "sweep", "grid.yaml", "--cluster", "jobs.yaml", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["counts"] == {"completed": 4}
    again = orch(folder, "sweep", "grid.yaml", "--cluster", "jobs.yaml", "--json")
    assert json.loads(again.stdout)["ran"] == 0
    assert not (folder / "results").exists()
    fetched = orch(folder, "fetch", "--cluster", "jobs.yaml")
    assert fetched.returncode == 0, fetched.stderr
    there = pd.read_parquet(folder / "there" / "sweep" / "trials.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "results" / "sweep" / "trials.parquet"), there)
    assert orch(folder, "status", "results/sweep").stdout.startswith("sweep: 4 of 4 trials done")


@pytest.mark.chaos
def test_a_detached_sweep_is_watched_and_stopped_from_anywhere(folder: Path) -> None:
    grid = folder / "grid.yaml"
    grid.write_text(grid.read_text().replace("epochs: 1", "epochs: 1000000").replace("name: sweep", "name: long"))
    started = orch(folder, "sweep", "grid.yaml", "--cluster", "jobs.yaml", "--detach")
    assert (started.returncode, "orch fetch --cluster jobs.yaml long" in started.stdout) == (0, True)

    def status() -> dict[str, object]:
        said = orch(folder, "status", "--cluster", "jobs.yaml", "long", "--json").stdout
        return dict(json.loads(said)) if said else {}

    ends = time.monotonic() + PATIENCE
    while not status().get("running"):
        assert time.monotonic() < ends, orch(folder, "logs", "--cluster", "jobs.yaml", "long").stdout
    job = started.stdout.split(" is job ")[1].split()[0]
    for option in ((), ("--detach",)):
        second = orch(folder, "sweep", "grid.yaml", "--cluster", "jobs.yaml", *option)
        assert (second.returncode, job in second.stderr, second.stdout) == (5, True, ""), second.stderr
    stopped = orch(folder, "stop", "--cluster", "jobs.yaml", "long", "--now", "--wait")
    assert stopped.returncode == 0, stopped.stderr
    assert status()["holder"] is None
    assert (
        "To go on: orch sweep grid.yaml --cluster jobs.yaml"
        in orch(folder, "logs", "--cluster", "jobs.yaml", "long").stdout
    )
