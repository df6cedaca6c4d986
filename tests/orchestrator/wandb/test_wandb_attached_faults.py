"""Weights, aliases and alerts where W&B fails in the middle: after the next push each is there once."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator.store.paths import ResultsPaths
from orchestrator.wandb.process import PENDING
from tests.orchestrator.sample import CNN_SGD, MLP_ADAM, MLP_SGD, write_sample
from tests.orchestrator.wandb.wandb_session import Following, Session, write
from tests.wandb_server import WandbServer

OPTIONS = {"artifacts": "best", "alert": "failures"}
KEPT = ((MLP_SGD, 0), (CNN_SGD, 0), (MLP_ADAM, 1))
STEPS = ["CreateArtifact", "CreateArtifactManifest", "CreateArtifactFiles", "upload", "CommitArtifact"]


def _longer(*values: object) -> list[Any]:
    """Some seconds each: `make chaos-tests` runs them too."""
    return [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.chaos) for value in values
    ]


def sample(root: Path) -> ResultsPaths:
    """Three trials have kept weights; W&B has the runs, whose tables would else be the first to be uploaded."""
    paths = write_sample(root)
    assert write(paths).written == 9
    for cell, seed in KEPT:
        path = paths.weights(cell.trial_id(seed))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cell.trial_id(seed).encode() * 1000)
    return paths


def push(paths: ResultsPaths, patience: int = 30) -> Session:
    return write(paths, report=True, patience=patience, **OPTIONS)


def has_each_once(server: WandbServer, *, alerts: int = 1) -> None:
    """One version for each of the weights, whole; `best` on the winner's; the alert; each run once, and ended."""
    versions = [made for made in server.account.versions("model") if made.committed]
    made_of = Counter(json.loads(made.about["metadata"])["trial_id"] for made in versions)
    assert made_of == Counter(cell.trial_id(seed) for cell, seed in KEPT)
    for made in versions:
        (content,) = [data for name, data in made.files.items() if name.endswith("weights.safetensors")]
        assert content.startswith(json.loads(made.about["metadata"])["trial_id"].encode())
    (best,) = [made for (_, alias), made in server.account.aliases.items() if alias == "best"]
    assert json.loads(server.account.artifacts[best].about["metadata"])["trial_id"] == MLP_ADAM.trial_id(1)
    sent = [alert for run in server.account.runs.values() for alert in run.alerts]
    assert [alert["severity"] for alert in sent] == ["ERROR"] * alerts
    runs = server.account.runs.values()
    assert (len(runs), {run.state for run in runs}) == (9, {"finished", "failed"})
    assert all([row["_step"] for row in run.history] == list(range(1, len(run.history) + 1)) for run in runs)
    assert not server.unknown


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        pytest.param("500", "upload", marks=pytest.mark.slow),
        ("lost", "CommitArtifact"),
        *_longer(*((fault, step) for fault in ("500", "401", "silent", "429") for step in STEPS)),
        *_longer(*(("lost", step) for step in STEPS[:-1])),
    ],
)
def test_an_upload_that_fails_in_the_middle_is_made_up_for(
    fault: str, step: str, server: WandbServer, tmp_path: Path
) -> None:
    paths = sample(tmp_path / "demo")
    struck = server.fail(fault, step)  # type: ignore[arg-type]
    tried = push(paths, patience=2)
    assert (tried.code, tried.written, struck.hit > 0) == (PENDING, 0, True), tried.log
    server.heal()
    done = push(paths)
    assert (done.code, done.pending) == (0, 0), done.log
    has_each_once(server)


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ("500", "AddAliases"),
        *_longer(*((fault, "AddAliases") for fault in ("401", "silent", "lost", "429"))),
        *_longer(*(("500", step) for step in ("UpdateArtifact", "ArtifactMembershipByName"))),
    ],
)
def test_a_server_that_dies_between_a_version_and_its_alias_gets_the_alias_later(
    fault: str, step: str, server: WandbServer, tmp_path: Path
) -> None:
    paths = sample(tmp_path / "demo")
    struck = server.fail(fault, step)  # type: ignore[arg-type]
    tried = push(paths, patience=2)
    assert (tried.code, tried.pending, struck.hit > 0) == (PENDING, 0, True), tried.log
    server.heal()
    assert push(paths).code == 0
    has_each_once(server)


@pytest.mark.parametrize(
    "fault", [pytest.param("500", marks=pytest.mark.slow), *_longer("401", "silent", "lost", "429")]
)
def test_an_alert_that_fails_is_sent_at_most_once(fault: str, server: WandbServer, tmp_path: Path) -> None:
    """One that is not answered holds nothing up without an end, and the next push makes up for it. Of one that is refused
    the SDK says nothing.
    """
    paths = sample(tmp_path / "demo")
    struck = server.fail(fault, "NotifyScriptableRunAlert")  # type: ignore[arg-type]
    push(paths, patience=2)
    assert struck.hit
    server.heal()
    assert push(paths).code == 0
    has_each_once(server, alerts=0 if fault == "401" else 1)


@pytest.mark.parametrize("step", ["upload", *_longer("CreateArtifact", "CommitArtifact", "NotifyScriptableRunAlert")])
def test_a_writer_that_is_killed_while_it_sends_weights_is_gone_on_with(
    step: str, server: WandbServer, tmp_path: Path
) -> None:
    paths = sample(tmp_path / "demo")
    server.fail("silent", step)
    first = Following(paths, **OPTIONS)
    server.wait_for(step, 1)
    first.kill()
    server.heal()
    done = push(paths)
    assert (done.code, done.pending) == (0, 0), done.log
    has_each_once(server)
    assert not paths.wandb_staging.exists()
