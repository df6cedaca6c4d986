"""Arms that trained on different numbers of workers, on a real Ray: `orch claims` names it."""

from pathlib import Path

import pytest

from tests.orchestrator.evidence.test_planted import Planted, check, written
from tests.orchestrator.test_ray_sweep import orch

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

NETS = "[{name: cnn, channels: [4], batch_norm: true}, {name: cnn, channels: [4]}]"
WORKERS = Planted(
    fair="workers: equal",
    title="workers (world size)",
    says="cnn(batch_norm=true) 2, cnn(batch_norm=false) 1 (2 times)",
    claim='better: {model: "cnn(batch_norm=true)"}, than: {model: "cnn(batch_norm=false)"}',
    confounded={
        "model": NETS,
        "rest": "overrides: [{when: {model: {name: cnn, batch_norm: true}}, set: {resources.workers: 2}}]",
    },
    alike={"model": NETS, "rest": "resources: {workers: 2}"},
)


def test_it_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, having in (("confounded", WORKERS.confounded), ("alike", WORKERS.alike)):
        written(tmp_path / name, WORKERS, having)
        ended = orch(tmp_path / name, "sweep", "grid.yaml", "-q", "--results", "results")
        assert ended.returncode == 0, ended.stderr
    check(tmp_path, capsys, WORKERS)
