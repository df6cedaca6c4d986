"""The real SDK against a W&B-compatible server: everything arrives, once, whatever the server does meanwhile."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from orchestrator.cli import run as orch
from orchestrator.grid.settings import Destination
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from orchestrator.wandb.process import PENDING, command
from tests.orchestrator.sample import (
    CNN_ADAM,
    CNN_SGD,
    MLP_ADAM,
    MLP_SGD,
    RESNET_SGD,
    complete,
    fail,
    plan,
    write_running,
    write_sample,
)
from tests.orchestrator.wandb.wandb_session import directory_id, folders, run_id_of, run_of, write
from tests.wandb_server import KEY, WandbServer
from tests.wandb_server.account import HISTORY

COMPLETED = [(MLP_SGD, 0), (MLP_SGD, 1), (MLP_ADAM, 0), (MLP_ADAM, 1), (CNN_SGD, 0), (RESNET_SGD, 0)]


def _longer(*values: object) -> list[Any]:
    """Five seconds each: `make chaos-tests` runs them too."""
    return [pytest.param(value, marks=pytest.mark.chaos) for value in values]


def all_rows_once(server: WandbServer, paths: ResultsPaths) -> bool:
    """Of the sample: every run has ended, with each epoch of its trial once."""
    rows = {(cell, seed): [1, 2, 3] for cell, seed in COMPLETED}
    rows |= {(CNN_SGD, 1): [1, 2], (CNN_ADAM, 0): [], (CNN_ADAM, 1): []}
    found = {key: run_of(server, paths, *key) for key in rows}
    assert {key: [row["_step"] for row in run.history] for key, run in found.items()} == rows
    assert all(run.complete for run in found.values())
    return len(server.account.runs) == len(rows)


def test_runs_arrive_whole_and_are_not_sent_again(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    paths.image(CNN_SGD.trial_id(0)).parent.mkdir()
    Image.new("L", (2000, 1000)).save(paths.image(CNN_SGD.trial_id(0)))
    sent = write(paths)
    assert (sent.code, sent.written, sent.there, sent.pending) == (0, 9, 0, 0)
    assert all_rows_once(server, paths)

    run = run_of(server, paths, CNN_SGD, 0)
    assert run.about["displayName"] == "digits · cnn · sgd lr=0.1 · none · seed 0"
    assert run.about["groupName"] == f"digits · cnn · sgd lr=0.1 · none [{CNN_SGD.cell_id}]"
    assert {"cnn", "completed", "demo"} <= set(run.about["tags"])
    assert (run.config["optimizer.lr"], run.config["model_label"], run.config["seed"]) == (0.1, "cnn", 0)
    assert [row["val_accuracy"] for row in run.history] == pytest.approx([0.79, 0.89, 0.99])
    assert run.summary["test_accuracy"] == run.summary["best_val_accuracy"] == 0.99
    assert (run.summary["best_epoch"], run.summary["best_train_loss"]) == (3, pytest.approx(0.01))
    assert run_of(server, paths, CNN_ADAM, 0).exit_code == 1

    tables = {
        name.split("/")[-1].split("_table")[0]: json.loads(data)
        for name, data in run.files.items()
        if "/table/" in name
    }
    assert ["cat", "dog", 3] in tables["confusion_matrix"]["data"]
    assert len(tables["confusion_matrix"]["data"]) == 9
    assert tables["roc"]["columns"] == ["class", "fpr", "tpr"]
    (image,) = [data for name, data in run.files.items() if name.endswith(".png")]
    (tmp_path / "sent.png").write_bytes(image)
    assert Image.open(tmp_path / "sent.png").size == (512, 256)
    assert all(artifact.committed for artifact in server.account.artifacts.values())

    assert folders(paths) == []
    asked = server.requests.copy()
    again = write(paths)
    assert (again.code, again.written, again.there) == (0, 0, 0)
    assert server.requests == asked
    paths.wandb_sent.unlink()  # a copy that was fetched from a cluster has none
    known = write(paths)
    assert (known.written, known.there) == (0, 9)
    assert server.requests["UpsertBucket"] == asked["UpsertBucket"]
    assert not [path for path in paths.root.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert KEY not in sent.log + again.log + known.log


@pytest.mark.parametrize(
    "fault", ["refused", *_longer("silent", "429", "500"), pytest.param("401", marks=pytest.mark.slow)]
)
def test_what_does_not_answer_at_the_start_makes_runs_pending(fault: str, server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    server.refuse() if fault == "refused" else server.fail(fault)  # type: ignore[arg-type]
    tried = write(paths, patience=3)
    assert (tried.code, tried.written, tried.pending) == (PENDING, 0, 9)
    assert tried.failure
    assert f"runs are pending, `orch wandb push {paths.root}` sends them" in tried.log
    assert KEY not in tried.log
    server.heal()
    server.listen() if fault == "refused" else None
    assert write(paths).code == 0
    assert all_rows_once(server, paths)
    assert folders(paths) == []


@pytest.mark.parametrize(
    "fault", [*_longer("refused", "silent", "401", "429"), pytest.param("500", marks=pytest.mark.slow), "lost"]
)
def test_what_stops_answering_in_the_middle_loses_and_doubles_nothing(
    fault: str, server: WandbServer, tmp_path: Path
) -> None:
    """From the third run's rows on."""
    paths = write_sample(tmp_path / "demo")
    if fault == "refused":
        server.refuse_after("file_stream", 4)
    else:
        server.fail(fault, "file_stream", skip=4)  # type: ignore[arg-type]
    tried = write(paths, patience=3)
    assert (tried.code, bool(tried.failure)) == (PENDING, True)
    assert tried.pending < 9 or tried.written == 0
    server.heal()
    server.listen() if fault == "refused" else None
    assert write(paths).code == 0
    assert all_rows_once(server, paths)
    assert folders(paths) == []


@pytest.mark.slow
def test_a_short_outage_is_overcome_without_a_push(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    server.fail("500", "UpsertBucket", skip=3, times=1)
    server.fail("lost", "file_stream", skip=2, times=1)
    server.fail("429", "upload", skip=5, times=1)
    done = write(paths)
    assert (done.code, done.written) == (0, 9)
    assert all_rows_once(server, paths)


@pytest.mark.parametrize("counted", [3, *_longer(1)])
def test_killed_while_it_sends_and_pushed_each_row_arrives_once(
    counted: int, server: WandbServer, tmp_path: Path
) -> None:
    """counted: rows of the run on its way that W&B knows of when it is sent again."""
    paths = write_sample(tmp_path / "demo")
    server.fail("lost", "file_stream", skip=2)
    start = [*command(paths, "online", Destination("demo")), "--no-report"]
    process = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    server.wait_for("file_stream", 4)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    server.heal()
    (cut,) = [run for run in server.account.runs.values() if run.history and not run.complete] or [None]
    if cut is not None:
        del cut.streams[HISTORY][counted:]
    pushed = write(paths)
    assert (pushed.code, pushed.written + pushed.there) == (0, 9)
    assert all_rows_once(server, paths)
    assert folders(paths) == []


@pytest.mark.parametrize("ledger", ["kept", "lost"])
def test_a_trial_that_ran_again_is_a_second_run_and_the_first_leaves_the_run_sets(
    server: WandbServer, tmp_path: Path, ledger: str
) -> None:
    """W&B never replaces rows that it has."""
    paths = ResultsPaths(tmp_path / "demo")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, (MLP_SGD,), seeds=(0,))
    fail(journal, MLP_SGD, 0)
    journal.commit()
    assert write(paths).written == 1
    first = run_of(server, paths, MLP_SGD, 0)
    complete(journal, MLP_SGD, 0, accuracy=0.9, attempt=2)
    journal.close()
    if ledger == "lost":
        paths.wandb_sent.unlink()
    assert write(paths).written == 1
    second = run_of(server, paths, MLP_SGD, 0)
    assert (first.history, [row["_step"] for row in second.history]) == ([], [1, 2, 3])
    assert second.config["results_id"] == directory_id(paths)
    if ledger == "kept":  # without it, nobody knows of the first
        assert "superseded" in first.about["tags"]
        assert first.config["results_id"] == f"superseded {directory_id(paths)}"


def test_a_run_that_was_deleted_there_does_not_hold_up_the_others(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    gone = [
        run_id_of(paths, cell.trial_id(seed)) for cell, seed in ((CNN_SGD, 0), (CNN_SGD, 1), (MLP_SGD, 0), (MLP_SGD, 1))
    ]
    server.account.deleted.update(gone)
    done = write(paths, report=True)
    assert (done.code, done.written, done.pending, done.deleted) == (PENDING, 5, 4, 4)
    assert f"W&B does not take the run {gone[0]}" in done.log
    assert done.report


def test_a_image_that_cannot_be_read_keeps_no_run_back(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    image = paths.root / "pictures" / f"{CNN_SGD.trial_id(0)}.png"
    image.parent.mkdir(exist_ok=True)
    image.write_bytes(b"\x89PNG cut off")
    assert write(paths).code == 0
    assert all_rows_once(server, paths)


def test_a_report_that_could_not_be_brought_up_to_date_is_by_the_next_push(
    server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, journal = write_running(tmp_path / "demo")
    assert write(paths, report=True).code == 0
    complete(journal, CNN_SGD, 0, accuracy=0.8)
    journal.commit()
    export(journal, paths)
    journal.close()
    with monkeypatch.context() as away:
        away.setattr("wandb_workspaces.workspaces.Workspace.save", lambda _: 1 / 0)
        assert write(paths, report=True).code == PENDING
    assert write(paths, report=True).code == 0
    (workspace,) = server.account.workspaces
    assert workspace.saves == 2
    assert server.account.reports[0].saves == 3


def test_a_cell_whose_seeds_are_taken_back_and_added_again(server: WandbServer, tmp_path: Path) -> None:
    paths = ResultsPaths(tmp_path / "demo")
    journal = Journal.create_or_open(paths.journal)
    seen = []
    for seeds in ((0, 1), (0,), (0, 1)):
        plan(journal, (MLP_SGD,), seeds=seeds)
        if not seen:
            for seed in seeds:
                complete(journal, MLP_SGD, seed, accuracy=0.9)
        journal.commit()
        assert write(paths, runs="cells").code == 0
        seen.append(run_id_of(paths, MLP_SGD.cell_id))
    journal.close()
    assert seen[0] == seen[2] != seen[1]
    shown = {name: "superseded" in (run.about["tags"] or []) for name, run in server.account.runs.items()}
    assert shown == {seen[0]: False, seen[1]: True}


def test_cells_have_the_mean_of_their_seeds_and_the_band(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    assert write(paths, runs="cells").written == 4  # the others have trials that never ended
    run = server.account.runs[run_id_of(paths, MLP_SGD.cell_id)]
    assert run.about["displayName"] == "digits · mlp · sgd lr=0.1 · none · 2 seeds"
    last = run.history[-1]
    assert (last["val_accuracy"], last["val_accuracy_low"], last["val_accuracy_high"]) == pytest.approx(
        (0.92, 0.9, 0.94)
    )
    assert (run.summary["test_accuracy"], run.summary["trials_completed"]) == (pytest.approx(0.92), 2)
    assert run.config["seeds"] == [0, 1]
    assert server.account.runs[run_id_of(paths, CNN_ADAM.cell_id)].summary["trials_failed"] == 1


def panels(spec: dict, block: int) -> list[str]:
    grids = [part for part in spec["blocks"] if part["type"] == "panel-grid"]
    return [panel["viewType"] for panel in grids[block]["metadata"]["panelBankSectionConfig"]["panels"]]


def test_the_report_is_made_once_and_updated_in_place(server: WandbServer, tmp_path: Path) -> None:
    paths, journal = write_running(tmp_path / "demo")
    first = write(paths, report=True)
    (report,) = server.account.reports
    (workspace,) = server.account.workspaces
    assert first.report.startswith(f"{server.url}/lab/demo/reports/")
    assert (report.display_name, workspace.saves) == ("demo: report", 1)
    assert report.spec["blocks"][2]["children"][0]["text"].startswith("4 trials of 2 cells: ")

    complete(journal, CNN_SGD, 0, accuracy=0.8)
    complete(journal, CNN_SGD, 1, accuracy=0.8)
    complete(journal, MLP_SGD, 1, accuracy=0.9)
    journal.commit()
    export(journal, paths)
    journal.close()
    report.spec["discussionThreads"] = [{"id": "a-comment"}]
    second = write(paths, report=True)
    assert (second.report, second.written) == (first.report, 3)
    (report,) = server.account.reports
    assert report.saves == 2
    assert report.spec["discussionThreads"] == [{"id": "a-comment"}]
    texts = json.dumps(report.spec, ensure_ascii=False)
    assert "digits: mlp · sgd lr=0.1 · none comes first, 0.9000" in texts
    assert "&lt;script&gt;alert('class')&lt;/script&gt;" in texts
    assert "<script>" not in texts
    runsets = next(part for part in report.spec["blocks"] if part["type"] == "panel-grid")["metadata"]["runSets"]
    assert [runset["name"] for runset in runsets] == ["mlp", "cnn"]
    wanted = {filter["key"]["name"]: filter["value"] for filter in runsets[1]["filters"]["filters"]}
    assert wanted == {name: run_of(server, paths, CNN_SGD, 0).config[name] for name in ("results_id", "model_id")}
    assert panels(report.spec, 0) == ["Run History Line Plot"] * 3
    assert set(panels(report.spec, 1)) == {
        "Bar Chart",
        "Scalar Chart",
        "Parallel Coordinates Plot",
        "Run Comparer",
        "Vega2",
    }
    assert [view.saves for view in server.account.workspaces] == [2]

    paths.wandb_report.unlink()  # a push that was killed right after it had saved the report leaves none
    paths.wandb_sent.unlink()
    again = write(paths, report=True)
    assert (again.code, again.report) == (0, first.report)
    assert [view.saves for view in server.account.reports] == [3]

    server.account.views.clear()  # somebody has deleted both
    paths.wandb_sent.unlink()
    third = write(paths, report=True)
    assert third.code == 0
    assert len(server.account.reports) == len(server.account.workspaces) == 1


@pytest.mark.slow
def test_offline_runs_that_were_synced_by_hand_are_not_sent_again(server: WandbServer, tmp_path: Path) -> None:
    paths = write_sample(tmp_path / "demo")
    assert write(paths, mode="offline").written == 9
    synced = [folder for folder in folders(paths) if CNN_SGD.trial_id(0) in folder.name]
    sync = [str(Path(sys.executable).with_name("wandb")), "sync", *map(str, synced)]
    subprocess.run(sync, check=True, capture_output=True, timeout=120, cwd=tmp_path)
    assert [row["_step"] for row in run_of(server, paths, CNN_SGD, 0).history] == [1, 2, 3]
    pushed = write(paths)
    assert (pushed.code, pushed.written, pushed.there) == (0, 8, 1)
    assert all_rows_once(server, paths)
    assert folders(paths) == []


def test_a_push_before_anything_has_ended_and_one_to_nowhere(
    server: WandbServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = ResultsPaths(tmp_path / "demo")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, [MLP_SGD], seeds=[0])
    export(journal, paths)
    journal.close()
    assert orch(["wandb", "push", str(paths.root)]) == 0
    assert capfd.readouterr().out == "0 runs sent to demo\n"
    assert server.account.reports == []
    assert orch(["wandb", "push", str(paths.root), "--project", "a/b"]) == 2
    assert "--project: it must not contain /; W&B refuses it" in capfd.readouterr().err
    assert orch(["wandb", "push", str(paths.root), "--entity", ""]) == 2
    assert "--entity: " in capfd.readouterr().err


GRID = """\
name: away
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
seeds: 2
protocol: {epochs: 2}
wandb: {mode: online, project: far}
"""


def test_a_sweep_ends_well_while_the_key_is_refused_and_a_push_sends_all_of_it(
    server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("orchestrator.wandb.process._MANY_RUNS", 1)  # of more, planning and training would take long
    server.fail("401")
    assert orch(["sweep", "grid.yaml", "--engine", "inline"]) == 0
    log = capfd.readouterr().err
    assert "`orch wandb push" in log
    assert "2 W&B runs are many" in log
    assert server.account.runs == {}
    assert orch(["wandb", "push", "results/away"]) == 3
    assert "2 runs are pending" in capfd.readouterr().err
    server.heal()
    assert orch(["wandb", "push", "results/away"]) == 0
    assert capfd.readouterr().out.startswith("2 runs sent to far\nhttp://127.0.0.1")
    assert [[row["_step"] for row in run.history] for run in server.account.runs.values()] == [[1, 2], [1, 2]]
    assert {run.project for run in server.account.runs.values()} == {"far"}
    assert [view.project for view in server.account.reports] == ["far"]
    lines = "".join(path.read_text(errors="replace") for path in (tmp_path / "results").rglob("*.log"))
    assert KEY not in lines + log
