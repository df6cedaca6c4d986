"""What runs have beside rows, each once: weights, the winner's alias, alerts, tags and notes; and where it all went."""

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import pytest

from orchestrator.cli import run as orch
from orchestrator.grid.settings import Destination
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from orchestrator.wandb.attachment import Origin, collection_of, origin_of
from orchestrator.wandb.ledger import Ledger, Place
from orchestrator.wandb.push import _of_grid
from orchestrator.wandb.runs import Run
from tests.marks import slow_but
from tests.orchestrator.sample import CNN_ADAM, CNN_SGD, MLP_ADAM, MLP_SGD, complete, write_running, write_sample
from tests.orchestrator.wandb.wandb_session import run_of, write
from tests.wandb_server import WandbServer


def keep_weights(paths: ResultsPaths) -> None:
    for cell, seed in ((MLP_SGD, 0), (CNN_SGD, 0), (MLP_ADAM, 1)):
        path = paths.weights(cell.trial_id(seed))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cell.trial_id(seed).encode() * 100)


def test_each_run_has_its_weights_once_and_the_winners_are_the_best(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    keep_weights(paths)
    done = write(paths, artifacts="best", report=True)
    assert (done.code, done.written) == (0, 9), done.log
    versions = {made.name: made for made in server.account.versions("model")}
    assert len(versions) == 3
    assert len({made.collection for made in versions.values()}) == 1
    (best,) = [made_id for (_, alias), made_id in server.account.aliases.items() if alias == "best"]
    winner = json.loads(server.account.artifacts[best].about["metadata"])
    assert (winner["trial_id"], winner["status"]) == (MLP_ADAM.trial_id(1), "completed"), "of CNN_SGD one diverged"
    assert all(run.state in ("finished", "failed") for run in server.account.runs.values())
    asked = server.requests["CreateArtifact"]
    assert write(paths, artifacts="best", report=True).code == 0
    paths.wandb_sent.unlink()
    assert write(paths, artifacts="best", report=True).code == 0
    assert len(server.account.versions("model")) == 3
    assert server.requests["CreateArtifact"] == asked + 3


def test_the_first_failure_is_reported_once(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    for _ in range(2):
        assert write(paths, alert="failures").code == 0
    alerts = [alert for run in server.account.runs.values() for alert in run.alerts]
    assert [alert["severity"] for alert in alerts] == ["ERROR"]
    assert run_of(server, paths, CNN_ADAM, 0).alerts + run_of(server, paths, CNN_ADAM, 1).alerts == alerts
    assert server.requests["NotifyScriptableRunAlert"] == 1


def test_tags_notes_and_where_a_trial_ran_are_of_every_run(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    many = tuple(f"t{number}" for number in range(300))
    assert write(paths, tags=("paper", "mlp", *many), notes="second try").code == 0
    run = run_of(server, paths, MLP_SGD, 0)
    assert {"paper", "mlp", "completed", "t299"} <= set(run.about["tags"])
    assert run.about["notes"] == "second try"
    assert (run.config["host"], run.config["git_commit"][:4], run.config["gpu"]) == ("bench-1", "0123", None)


def test_a_push_to_another_project_sends_what_is_missing_there(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    assert write(paths).written == 9
    assert write(paths).written == 0
    assert write(paths, entity="lab").written == 0
    known = len(Ledger(paths.wandb_sent)._lines)
    assert known >= 18
    server.account.runs.clear()  # of the other project, which this server does not tell apart by run
    assert write(paths, project="other").written == 9
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


@pytest.mark.parametrize(
    "grid",
    [
        'name: "a\\0b"',
        'name: x\nwandb: {notes: "a\\0b"}',
        'name: x\nwandb: {tags: ["\\ud800"]}',
        "name: ../x",
        "wandb: 3",
        "- 1",
        "",
    ],
)
def test_a_grid_that_no_sweep_of_ours_has_read_makes_no_command_line(grid: str) -> None:
    """The text comes with the results, which may be another's."""
    assert _of_grid(grid, "demo") == Destination("demo")


def test_a_push_knows_what_the_grid_says_of_runs(tmp_path: Path) -> None:
    found = _of_grid(
        "name: x\nwandb: {project: p, tags: [a, b], notes: n, live: off, artifacts: best, alert: end}\n", "y"
    )
    assert (found.project, found.tags, found.notes) == ("p", ("a", "b"), "n")
    assert (found.live, found.artifacts, found.alert) == ("off", "best", "end")


def test_the_end_of_all_trials_is_reported_once_and_not_before(server: WandbServer, tmp_path: Path) -> None:
    paths, journal = write_running(tmp_path / "demo")
    assert write(paths, alert="end", report=True).code == 0
    assert server.requests["NotifyScriptableRunAlert"] == 0
    for cell, seed in ((CNN_SGD, 0), (CNN_SGD, 1), (MLP_SGD, 1)):
        complete(journal, cell, seed, accuracy=0.8)
    journal.commit()
    export(journal, paths)
    journal.close()
    for _ in range(2):
        assert write(paths, alert="end", report=True).code == 0
    (alert,) = [alert for run in server.account.runs.values() for alert in run.alerts]
    assert (alert["title"], alert["severity"]) == ("demo: the sweep has ended", "INFO")
    assert alert["text"].startswith("4 trials: 4 completed. digits: mlp")


def test_weights_that_a_run_began_with_are_an_artifact_that_it_uses() -> None:
    weights = {"model.weights": "/nets/first.safetensors", "model.content": "abc123", "sweep": "s", "results_id": "1"}
    run = Run("r", "n", "g", "evaluation", (), weights | {"dataset_label": "bird s"}, (), {}, succeeded=True)
    assert origin_of(run) == Origin("pretrained-abc123", "first.safetensors", "abc123")
    assert origin_of(replace(run, config=weights | {"model.weights": "none"})) is None
    assert collection_of(run) == "s-bird-s-1"


def write_older(root: Path) -> tuple[ResultsPaths, str]:
    """What an orch of results version 1 left of one trial, with its attempt, which a later one noted; the run's id then."""
    paths = ResultsPaths(root)
    root.mkdir()
    with closing(sqlite3.connect(paths.journal)) as db:
        db.executescript((Path(__file__).parents[1] / "store" / "version_1.sql").read_text())
        db.execute(
            "INSERT INTO attempts (trial_id, attempt, status, started_at, environment_id)"
            " SELECT trial_id, attempts, 'completed', started_at, 'e' FROM trials"
        )
        db.commit()
        ((trial_id, at, of),) = db.execute(
            "SELECT trial_id, finished_at, (SELECT value FROM meta WHERE key = 'directory_id') FROM trials"
        )
    end = blake2b(repr([(trial_id, at)]).encode(), digest_size=4).hexdigest()
    return paths, f"{trial_id}-{of}-{end}"


@pytest.mark.parametrize("continued", [False, True])
@pytest.mark.parametrize("listed", ["by an older orch", "cut off", "not"])
def test_results_of_an_older_orch_that_are_pushed_again_are_there_once(
    server: WandbServer, tmp_path: Path, continued: bool, listed: str
) -> None:
    """continued: a sweep of ours has opened the journal, and carried it over."""
    paths, run_id = write_older(tmp_path / "old")
    assert write(paths).written == 1
    assert list(server.account.runs) == [run_id]
    line = json.dumps({"trial_id": run_id.partition("-")[0], "run_id": run_id, "mode": "online"})
    paths.wandb_sent.write_text({"by an older orch": f"{line}\n", "cut off": line[:-9], "not": ""}[listed])
    if continued:
        Journal.create_or_open(paths.journal).close()
    asked = server.requests["UpsertBucket"]
    again = write(paths)
    assert (again.code, again.written, again.there) == (0, 0, 1)
    (run,) = server.account.runs.values()
    assert (run.name, run.received) == (run_id, len(run.history))
    assert server.requests["UpsertBucket"] == asked
    assert (write(paths).there, write(paths).written) == (0, 0)


KINDS = ("FIFO", "folder", "device", "link", "link to itself", "link to nothing", "hole")


@pytest.mark.parametrize("kind", slow_but(["FIFO", "link"], KINDS))
def test_a_list_of_what_was_sent_that_is_no_file_is_damage_and_repaired(
    server: WandbServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    paths, outside = write_sample(tmp_path / "demo"), tmp_path / "outside"
    outside.write_text("another's")
    paths.wandb.mkdir()
    _put(paths.wandb_sent, kind, outside)
    assert orch(["wandb", "push", str(paths.root)]) == 4
    assert "sent.jsonl is damaged: it is " in capsys.readouterr().err
    assert server.account.runs == {}
    assert orch(["repair", str(paths.root)]) == 4, "the list is lost, and said to be"
    assert orch(["wandb", "push", str(paths.root)]) == 0
    assert (len(server.account.runs), outside.read_text()) == (9, "another's")


def test_a_list_of_what_was_sent_that_has_a_second_name_is_not_written_under_it(
    server: WandbServer, tmp_path: Path
) -> None:
    """As a copy of links, `cp -al`, leaves it."""
    paths, outside = write_sample(tmp_path / "demo"), tmp_path / "outside"
    outside.write_text("another's")
    paths.wandb.mkdir()
    paths.wandb_sent.hardlink_to(outside)
    assert write(paths).written == 9
    assert outside.read_text() == "another's"
    assert write(paths).written == 0


def _put(path: Path, kind: str, outside: Path) -> None:
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "hole":
            path.touch()
            os.truncate(path, 1 << 40)
        case _:
            leads = {"device": Path("/dev/zero"), "link": outside, "link to itself": path}
            path.symlink_to(leads.get(kind, outside.with_name("nowhere")))
