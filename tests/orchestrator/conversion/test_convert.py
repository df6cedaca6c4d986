"""Results for other programs, read back with what is no part of orch where there is such a reader."""

import csv
import json
import os
import struct
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

from orchestrator.cli import run
from orchestrator.conversion.convert import convert
from orchestrator.errors import UserError
from orchestrator.notebook.load import load
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.sample import CNN_ADAM, CNN_SGD, MLP_SGD, Cell, complete, plan, write_running, write_sample
from tests.orchestrator.store.predictions import made

HOSTILE = (
    "../../etc",
    "/abs",
    "a/b\\c",
    "=cmd|' /C calc'!A0",
    "\x1b[31m\u202e",
    "中文 😀",
    "x" * 300,
    "-1+2",
    ".hidden",
)


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its content, and when it was written."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def events_of(path: Path) -> Iterator[Event]:
    """The records of an event file, their checksums verified."""
    content = path.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        assert struct.unpack("<I", content[8:12])[0] == masked(content[:8])
        body = content[12 : 12 + length]
        assert struct.unpack("<I", content[12 + length : 16 + length])[0] == masked(body)
        yield Event.FromString(body)
        content = content[16 + length :]


def masked(data: bytes) -> int:
    checksum = crc32c(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def trial_events(folder: Path, trial_id: str) -> list[Event]:
    (file,) = folder.glob(f"*-{trial_id}/events.out.tfevents.*")
    return list(events_of(file))


def scalars(events: list[Event]) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events:
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def hyperparameters(events: list[Event]) -> list[HParamsPluginData]:
    """Which there are, those of the run, and its end."""
    values = [value for event in events for value in event.summary.value if value.tag.startswith("_hparams_/")]
    return [HParamsPluginData.FromString(value.metadata.plugin_data.content) for value in values]


def test_tensorboard_has_epochs_settings_and_final_measures(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    folder, done = convert(paths, "tensorboard")
    assert folder == paths.root / "tensorboard"
    assert (done.written, done.there, done.waiting) == (9, 0, 0), "skipped and cancelled trials have not run to an end"
    events = trial_events(folder, MLP_SGD.trial_id(0))
    assert events[0].file_version == "brain.Event:2"
    found = scalars(events)
    assert found["val_accuracy"] == [(1, pytest.approx(0.7)), (2, pytest.approx(0.8)), (3, pytest.approx(0.9))]
    assert found["final/test_accuracy"] == [(3, pytest.approx(0.9))]
    times = [event.wall_time for event in events]
    assert times == sorted(times)
    experiment, begun, ended = hyperparameters(events)
    assert begun.session_start_info.hparams["optimizer.lr"].number_value == 0.1
    assert begun.session_start_info.hparams["status"].string_value == "completed"
    assert {info.name.tag for info in experiment.experiment.metric_infos} <= set(found)
    assert ended.session_end_info.status == 1
    failed = hyperparameters(trial_events(folder, CNN_ADAM.trial_id(0)))
    assert failed[-1].session_end_info.status == 2


@pytest.mark.parametrize("form", ["tensorboard", "csv"])
def test_a_second_time_adds_nothing(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    paths = write_sample(tmp_path / "demo")
    assert run(["convert", str(paths.root), form, "-o", str(tmp_path / "out")]) == 0
    first = tree(tmp_path / "out")
    assert run(["convert", str(paths.root), form, "-o", str(tmp_path / "out")]) == 0
    assert tree(tmp_path / "out") == first
    assert "\n0 " in capsys.readouterr().out
    again, _ = convert(paths, form, tmp_path / "again")
    assert {name: content for name, (content, _) in tree(again).items()} == {
        name: content for name, (content, _) in first.items()
    }
    assert run(["verify", str(paths.root)]) == 0


def test_a_continued_sweep_adds_its_new_trials_and_ends_replace_ends(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    folder, done = convert(paths, "tensorboard")
    assert (done.written, done.waiting) == (1, 3)
    before = tree(folder)
    complete(journal, CNN_SGD, 0, accuracy=0.9, anew=False)
    journal.commit()
    _, done = convert(paths, "tensorboard")
    assert (done.written, done.there, done.waiting) == (1, 1, 2)
    assert before.items() <= tree(folder).items()
    # the first trial runs again, and comes to another end
    complete(journal, MLP_SGD, 0, accuracy=0.5, attempt=2)
    journal.commit()
    journal.close()
    _, done = convert(paths, "tensorboard")
    assert (done.written, done.there) == (1, 1)
    assert scalars(trial_events(folder, MLP_SGD.trial_id(0)))["final/test_accuracy"] == [(3, 0.5)]
    assert len(list(folder.iterdir())) == 2


def test_csv_has_every_table_as_it_is(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    made.add(paths)
    folder, done = convert(paths, "csv")
    found = load(paths.root)
    assert done.written == len(list(folder.iterdir()))
    for name in ("trials", "epochs", "classes", "curves", "attempts"):
        read = pd.read_csv(folder / f"{name}.csv")
        table = found.table(name)
        assert list(read.columns) == list(table.columns)
        assert len(read) == len(table)
        for column in table.columns:
            if pd.api.types.is_float_dtype(table[column]):
                assert read[column].to_numpy() == pytest.approx(table[column].to_numpy(), nan_ok=True, rel=1e-12)
    predictions = pd.read_csv(folder / "predictions.csv")
    assert len(predictions) == len(found.predictions())
    assert len(pd.read_csv(folder / "examples.csv")) == len(found.examples)


@pytest.mark.parametrize("form", ["tensorboard", "csv"])
def test_names_lead_nowhere_and_compute_nothing(form: str, tmp_path: Path):
    cells = {Cell(model=name): [0.9] for name in HOSTILE}
    (tmp_path / "in").mkdir()
    paths = write(tmp_path / "in" / "demo", cells)
    before = tree(tmp_path)
    folder, done = convert(paths, form, tmp_path / "out")
    after = {name for name in tree(tmp_path) if not name.startswith("out/")}
    assert {name for name in after if "journal.sqlite-" not in name} == set(before), "SQLite's own files apart"
    if form == "csv":
        with (folder / "trials.csv").open(newline="", encoding="utf-8") as file:
            models = [row["model"] for row in csv.DictReader(file)]
        assert models == [f"'{name}" if name[0] in "=-" else name for name in HOSTILE]
    else:
        assert done.written == len(HOSTILE)
        names = [path.name for path in folder.iterdir()]
        assert all(len(name) < 140 and name.isascii() and not name.startswith(".") for name in names)
        shown = trial_events(folder, Cell(model=HOSTILE[4]).trial_id(0))
        assert hyperparameters(shown)[1].session_start_info.hparams["model.name"].string_value == "\\x1b[31m\\u202e"


def test_nothing_is_written_through_a_link(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link, and orch writes through none"):
        convert(paths, "csv", tmp_path / "link")
    folder, _ = convert(paths, "tensorboard", tmp_path / "out")
    one = next(folder.glob(f"*-{MLP_SGD.trial_id(0)}"))
    for file in one.iterdir():
        file.unlink()
    one.rmdir()
    one.symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link, and orch writes through none"):
        convert(paths, "tensorboard", tmp_path / "out")
    assert list(elsewhere.iterdir()) == []


def test_what_others_keep_there_stays(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    out = tmp_path / "out"
    (out / "mine").mkdir(parents=True)
    (out / "mine" / "events.out.tfevents.1.me").write_bytes(b"mine")
    (out / "notes.txt").write_text("mine")
    convert(paths, "tensorboard", out)
    convert(paths, "csv", out)
    assert (out / "mine" / "events.out.tfevents.1.me").read_bytes() == b"mine"
    assert (out / "notes.txt").read_text() == "mine"


def test_mistakes_are_the_users(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    paths = write_sample(tmp_path / "demo")
    assert run(["convert", str(paths.root), "excel"]) == 2
    assert run(["convert", str(paths.root), "csv", "-o", str(tmp_path / "no" / "such")]) == 2
    assert "cannot make the folder" in capsys.readouterr().err
    paths.journal.unlink()
    assert run(["convert", str(paths.root), "tensorboard"]) == 2
    assert "has tables but no journal" in capsys.readouterr().err
    assert run(["convert", str(paths.root), "csv"]) == 0, "tables are enough for tables"


@pytest.mark.skipif(find_spec("mlflow") is not None, reason="mlflow is installed")
def test_without_mlflow_it_says_how_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    paths = write_sample(tmp_path / "demo")
    assert run(["convert", str(paths.root), "mlflow"]) == 2
    assert "pip install 'orch-grid[mlflow]'" in capsys.readouterr().err
    assert not (paths.root / "mlflow").exists()


@pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_reads_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from mlflow import MlflowClient

    paths = ResultsPaths(tmp_path / "demo")
    journal = Journal.create_or_open(paths.journal)
    names = Cell(model=HOSTILE[0]), Cell(model=HOSTILE[4])
    plan(journal, (MLP_SGD, *names), seeds=(0, 1))
    for cell in (MLP_SGD, *names):
        complete(journal, cell, 0, accuracy=0.9)
    journal.commit()
    export(journal, paths)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    folder, done = convert(paths, "mlflow")
    assert (done.written, done.waiting) == (3, 3)
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")

    def runs() -> dict[str, Any]:
        experiment = client.get_experiment_by_name("demo")
        return {one.data.tags["orch.trial_id"]: one for one in client.search_runs([experiment.experiment_id])}

    first = runs()
    shown = first[MLP_SGD.trial_id(0)]
    assert shown.data.params["optimizer.lr"] == "0.1"
    assert json.loads(shown.data.params["model.hidden"]) == [64, 32]
    assert shown.data.metrics["final/test_accuracy"] == pytest.approx(0.9)
    steps = client.get_metric_history(shown.info.run_id, "val_accuracy")
    assert [(one.step, one.value) for one in steps] == [(1, pytest.approx(0.7)), (2, pytest.approx(0.8)), (3, 0.9)]
    assert shown.info.status == "FINISHED"
    assert convert(paths, "mlflow")[1].written == 0
    assert runs().keys() == first.keys()
    for cell in names:  # as a conversion leaves them that is killed
        client.delete_tag(first[cell.trial_id(0)].info.run_id, "orch.run_id")
    assert convert(paths, "mlflow")[1].written == 2
    assert len(client.search_runs([shown.info.experiment_id])) == 3
    complete(journal, MLP_SGD, 1, accuracy=0.8)
    complete(journal, MLP_SGD, 0, accuracy=0.5, attempt=2)
    journal.commit()
    journal.close()
    assert convert(paths, "mlflow")[1].written == 2
    again = runs()
    assert len(again) == 4
    assert again[MLP_SGD.trial_id(0)].data.metrics["final/test_accuracy"] == 0.5
    assert list((tmp_path / "cwd").iterdir()) == []
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
