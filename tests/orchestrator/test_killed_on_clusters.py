"""Drivers that are killed on a cluster that somebody else has started, joined or reached through jobs: the same command
again goes on, as it does on this machine.
"""

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pytest

from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import every_trial
from orchestrator.store.tables import read
from results_schema import TABLES
from tests.chaos.lab import measured
from tests.orchestrator import processes
from tests.orchestrator.joined_ray import JoinedRay, orch, two_machines, variables
from tests.orchestrator.processes import ORCH, finished, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

GRID = """\
name: sweep
axes:
  dataset: [{name: digits, per_class: 40}]
  model: [{name: mlp, hidden: [[8], [16]]}]
  optimizer: [{name: sgd, lr: 0.1}]
seeds: %s
protocol: {epochs: 12, batch_size: 4}
wandb: {mode: disabled}
"""
CLAIM = """claims:
  - {id: A, text: wide, better: {model: mlp(hidden=16)}, than: {model: mlp(hidden=8)}, on: test_accuracy, margin: 0.03}
"""
"""It is better by about as much, which so few seeds do not decide."""
PLAIN, UNTIL = GRID % 5, GRID % "{until: decided, most: 10}" + CLAIM
CHOSEN = 6
"""Trials that `--only` names."""


@pytest.fixture(scope="module")
def machines() -> Iterator[JoinedRay]:
    with two_machines() as joined:
        yield joined


def every(results: Path) -> pd.DataFrame:
    return every_trial(ResultsPaths(results)).to_pandas()


@dataclass(frozen=True)
class Undisturbed:
    """How trials end, by trial id, whatever kind of cluster they run on."""

    plain: pd.DataFrame
    confirmed: pd.DataFrame
    until: pd.DataFrame


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")

    def swept(grid: str, *options: str) -> pd.DataFrame:
        (folder / "grid.yaml").write_text(grid)
        command = ("sweep", "grid.yaml", "--engine", "inline", "-q", "--results", f"of-{len(grid)}", *options)
        ended = processes.orch(folder, *command)
        assert ended.returncode == 0, ended.stderr
        return every(folder / f"of-{len(grid)}")

    return Undisturbed(swept(PLAIN), swept(PLAIN, "--confirm"), swept(UNTIL))


@dataclass(frozen=True)
class Cluster:
    """A cluster of one kind, and the command that is killed there."""

    folder: Path
    kind: str

    @property
    def results(self) -> Path:
        return self.folder / ("there" if self.kind == "jobs" else "results") / "sweep"

    def command(self, *options: str) -> tuple[str, ...]:
        return "sweep", "grid.yaml", "--cluster", f"{self.kind}.yaml", "--json", *options

    def killed(self, options: Sequence[str], *, after: int) -> dict[str, int]:
        """Kill the driver once so many trials have finished; what had, by trial id."""
        process = subprocess.Popen(
            [ORCH, *self.command(*options)],
            cwd=self.folder,
            env=variables(self.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        journal = ResultsPaths(self.results).journal
        wait_until(f"{after} trials have finished", lambda: len(finished(journal)) >= after, process)
        holder = json.loads(orch(self.folder, "status", str(self.results), "--json").stdout)["holder"]
        assert (holder["pid"] == process.pid) is (self.kind == "attach"), "of jobs it is a process of the head"
        psutil.Process(holder["pid"]).kill()
        code, _, errors = processes.finish(process)
        assert code == (3 if self.kind == "jobs" else -signal.SIGKILL), errors
        assert "Traceback" not in errors, errors
        return finished(journal)

    def again(self, *options: str) -> dict[str, object]:
        ended = orch(self.folder, *self.command(*options))
        assert ended.returncode == 0, ended.stderr
        return dict(json.loads(ended.stdout))


@pytest.fixture(params=["attach", "jobs"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path, machines: JoinedRay) -> Cluster:
    (tmp_path / "attach.yaml").write_text(machines.attach())
    (tmp_path / "jobs.yaml").write_text(machines.jobs(tmp_path / "there"))
    (tmp_path / "grid.yaml").write_text(PLAIN)
    return Cluster(tmp_path, request.param)


def check(cluster: Cluster, before: dict[str, int], expected: pd.DataFrame) -> None:
    """All of `expected` is there, once, with its figures; none of what had finished ran again."""
    found = every(cluster.results)
    assert not found["trial_id"].duplicated().any()
    done = found[found["status"] == "completed"]
    # counts of trials that wait for theirs are no whole numbers
    pd.testing.assert_frame_equal(measured(done), measured(expected), check_exact=True, check_dtype=False)
    attempts = done.set_index("trial_id")["attempts"].to_dict()
    assert {trial: attempts[trial] for trial in before} == before
    assert max(attempts.values()) <= 2, "none was under way more than once as the driver died"
    for table in TABLES:
        rows = read(table, ResultsPaths(cluster.results)).to_pandas()
        assert not rows.duplicated(list(table.key)).any(), table.name
    assert orch(cluster.folder, "verify", str(cluster.results)).returncode == 0


def test_fresh_seeds(cluster: Cluster, undisturbed: Undisturbed) -> None:
    assert cluster.again()["ran"] == len(undisturbed.plain)
    before = cluster.killed(["--confirm"], after=len(undisturbed.plain) + 2)
    summary = cluster.again("--confirm")
    assert summary["ran"] == len(undisturbed.confirmed) - len(before)
    check(cluster, before, undisturbed.confirmed)


def test_seeds_until_decided(cluster: Cluster, undisturbed: Undisturbed) -> None:
    (cluster.folder / "grid.yaml").write_text(UNTIL)
    assert len(undisturbed.until) == 20, "all seeds of both cells"
    before = cluster.killed([], after=16)  # within what a look has added
    assert cluster.again()["ran"] == len(undisturbed.until) - len(before)
    check(cluster, before, undisturbed.until)


def test_only_some_trials(cluster: Cluster, undisturbed: Undisturbed) -> None:
    chosen = undisturbed.plain.sort_values("trial_id").head(CHOSEN)
    options = [part for trial in chosen["trial_id"] for part in ("--only", str(trial)[:12])]
    before = cluster.killed(options, after=2)
    assert cluster.again(*options)["ran"] == CHOSEN - len(before)
    check(cluster, before, chosen)
    assert dict(every(cluster.results)["status"].value_counts()) == {"completed": CHOSEN, "pending": 10 - CHOSEN}
