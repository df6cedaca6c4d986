"""What runs have beside rows, each once: weights, the winner's alias, alerts, tags and notes; and where it all went."""

import json
from dataclasses import replace
from pathlib import Path

from orchestrator.reports.runs import Run
from orchestrator.reports.wandb.attachment import Origin, collection_of, origin_of
from orchestrator.reports.wandb.ledger import Ledger, Place
from orchestrator.reports.wandb_push import _of_grid
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from tests.orchestrator.reports.wandb_session import run_of, write
from tests.orchestrator.sample import CNN_ADAM, CNN_SGD, MLP_ADAM, MLP_SGD, complete, write_running, write_sample
from tests.wandb_server import WandbServer


def keep_weights(paths: ResultsPaths) -> None:
    for cell, seed in ((MLP_SGD, 0), (CNN_SGD, 0), (MLP_ADAM, 1)):
        path = paths.weights(cell.trial_id(seed))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cell.trial_id(seed).encode() * 100)


def test_each_run_has_its_weights_once_and_the_winners_are_the_best(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    keep_weights(paths)
    done = write(paths, "--artifacts=best", report=True)
    assert (done.code, done.written) == (0, 9), done.told
    versions = {made.name: made for made in server.account.versions("model")}
    assert len(versions) == 3
    assert len({made.collection for made in versions.values()}) == 1
    (best,) = [made_id for (_, alias), made_id in server.account.aliases.items() if alias == "best"]
    winner = json.loads(server.account.artifacts[best].about["metadata"])
    assert (winner["trial_id"], winner["status"]) == (CNN_SGD.trial_id(0), "completed")
    assert all(run.state in ("finished", "failed") for run in server.account.runs.values())
    asked = server.requests["CreateArtifact"]
    assert write(paths, "--artifacts=best", report=True).code == 0
    paths.wandb_sent.unlink()
    assert write(paths, "--artifacts=best", report=True).code == 0
    assert len(server.account.versions("model")) == 3
    assert server.requests["CreateArtifact"] == asked + 3


def test_the_first_failure_is_told_once(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    for _ in range(2):
        assert write(paths, "--alert=failures").code == 0
    alerts = [alert for run in server.account.runs.values() for alert in run.alerts]
    assert [alert["severity"] for alert in alerts] == ["ERROR"]
    assert run_of(server, paths, CNN_ADAM, 0).alerts + run_of(server, paths, CNN_ADAM, 1).alerts == alerts
    assert server.requests["NotifyScriptableRunAlert"] == 1


def test_tags_notes_and_where_a_trial_ran_are_of_every_run(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    assert write(paths, "--tag=paper", "--tag=mlp", "--notes=second try").code == 0
    run = run_of(server, paths, MLP_SGD, 0)
    assert {"paper", "mlp", "completed"} <= set(run.about["tags"])
    assert run.about["notes"] == "second try"
    assert (run.config["host"], run.config["git_commit"][:4], run.config["gpu"]) == ("bench-1", "0123", None)


def test_a_push_to_another_project_sends_what_is_missing_there(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    assert write(paths).written == 9
    assert write(paths).written == 0
    assert write(paths, "--entity=lab").written == 0
    known = len(Ledger(paths.wandb_sent)._lines)
    assert known >= 18
    server.account.runs.clear()  # of the other project, which this server does not tell apart by run
    assert write(paths, "--project=other").written == 9
    assert {run.project for run in server.account.runs.values()} == {"other"}
    assert write(paths).written == 0


def test_lines_of_an_older_orch_are_hints_and_of_another_place_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    old = {"trial_id": "a", "run_id": "a-1", "mode": "online"}
    there = {"trial_id": "b", "run_id": "b-1", "mode": "online", "to": {"url": "u", "entity": "lab", "project": "demo"}}
    path.write_text(f"{json.dumps(old)}\n{json.dumps(there)}\n")
    assert [Ledger(path, Place("u", "lab", "demo")).state(name) for name in ("a-1", "b-1")] == ["begun", "online"]
    assert Ledger(path, Place("u", None, "demo")).state("b-1") == "online"
    for elsewhere in (Place("u", "lab", "other"), Place("u", "me", "demo"), Place("v", "lab", "demo")):
        assert Ledger(path, elsewhere).state("b-1") is None


def test_a_push_knows_what_the_grid_says_of_runs(tmp_path: Path) -> None:

    found = _of_grid(
        "name: x\nwandb: {project: p, tags: [a, b], notes: n, live: off, artifacts: best, alert: end}\n", "y"
    )
    assert (found.project, found.tags, found.notes) == ("p", ("a", "b"), "n")
    assert (found.live, found.artifacts, found.alert) == ("off", "best", "end")


def test_the_end_of_all_trials_is_told_once_and_not_before(server: WandbServer, tmp_path: Path) -> None:
    paths, journal = write_running(tmp_path / "demo")
    assert write(paths, "--alert=end", report=True).code == 0
    assert server.requests["NotifyScriptableRunAlert"] == 0
    for cell, seed in ((CNN_SGD, 0), (CNN_SGD, 1), (MLP_SGD, 1)):
        complete(journal, cell, seed, accuracy=0.8)
    journal.commit()
    export(journal, paths)
    journal.close()
    for _ in range(2):
        assert write(paths, "--alert=end", report=True).code == 0
    (alert,) = [alert for run in server.account.runs.values() for alert in run.alerts]
    assert (alert["title"], alert["severity"]) == ("demo: the sweep has ended", "INFO")
    assert alert["text"].startswith("4 trials: 4 completed. digits: mlp")


def test_weights_that_a_run_began_with_are_an_artifact_that_it_uses() -> None:
    weights = {"model.weights": "/nets/first.safetensors", "model.content": "abc123", "sweep": "s", "results_id": "1"}
    run = Run("r", "n", "g", "evaluation", (), weights | {"dataset_label": "bird s"}, (), {}, succeeded=True)
    assert origin_of(run) == Origin("pretrained-abc123", "first.safetensors", "abc123")
    assert origin_of(replace(run, config=weights | {"model.weights": "none"})) is None
    assert collection_of(run) == "s-bird-s-1"
