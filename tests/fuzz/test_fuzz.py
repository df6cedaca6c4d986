"""Files of users with anything changed in them: a command plans them or refuses them, and never breaks.

`make fuzz CASES=10000` tries more than the test suite does; a failing case is printed, and found again by its seed.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings

from clusters.errors import ClusterSpecError
from clusters.file import parse_cluster
from orchestrator.cli import run
from tests.fuzz.mutations import mutated

ROOT = Path(__file__).parents[2]
GRIDS = sorted((ROOT / "examples").glob("*.yaml"))
CLUSTERS = sorted((ROOT / "clusters").glob("*.yaml"))
CASES = int(os.environ.get("ORCH_FUZZ_CASES", "300"))
LONG = CASES > 300
CHECKS = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@pytest.mark.timeout(0 if LONG else 300)
@settings(max_examples=CASES, deadline=None, derandomize=not LONG, suppress_health_check=CHECKS, database=None)
@given(content=mutated(GRIDS))
def test_a_grid_is_planned_or_refused(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "grid.yaml").write_bytes(content)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        patched.setenv("ORCH_CACHE", str(tmp_path / "cache"))
        patched.delenv("ORCH_DATA", raising=False)
        code = run(["plan", "grid.yaml"])
    output, errors = capsys.readouterr()
    event(f"exit code {code}")  # which `make fuzz` counts
    assert code in (0, 2)
    assert "Traceback" not in errors
    assert bool(output) == (code == 0)
    assert all(line.isprintable() for line in (output + errors).splitlines())
    assert not (tmp_path / "results").exists()
    if code == 2:
        assert all(line.startswith(("grid.yaml:", "cannot read the grid")) for line in errors.splitlines()), errors


@pytest.mark.timeout(0 if LONG else 300)
@settings(
    max_examples=max(100, CASES // 10), deadline=None, derandomize=not LONG, suppress_health_check=CHECKS, database=None
)
@given(content=mutated(CLUSTERS))
def test_a_cluster_file_is_read_or_refused(content: bytes, tmp_path: Path) -> None:
    from clusters.file import read_cluster

    file = tmp_path / "cluster.yaml"
    file.write_bytes(content)
    try:
        read_cluster(file)
    except ClusterSpecError as refused:
        assert all(line.startswith("cluster.yaml:") and line.isprintable() for line in refused.problems), refused
    parse_cluster("address: local\n", "cluster.yaml")  # a bad file leaves nothing behind
