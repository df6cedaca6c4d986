"""A journal that is made anew from the tables: of a trial either all rows are kept or none, and what is lost is told."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator.cli import run
from orchestrator.store.integrity.verify import verify
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import every_trial
from orchestrator.store.tables import Checksums, export, read
from results_schema import ATTEMPTS, CLASSES, CURVES, ENDED, ENVIRONMENTS, EPOCHS, TABLES, TUNING_TRIALS, Table
from tests.orchestrator import sample, tuned_sample

GRID = """\
name: demo
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
protocol: {epochs: 3}
checkpoints: {seconds: 0, keep: best}
wandb: {mode: disabled}
"""


@pytest.fixture
def paths(tmp_path: Path) -> ResultsPaths:
    return sample.write_sample(tmp_path / "demo")


def damage(*files: Path) -> None:
    for file in files:
        file.write_bytes(b"noise" * 2000)


def repaired(paths: ResultsPaths, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that say what is lost."""
    capsys.readouterr()
    assert run(["repair", str(paths.root)]) == 4
    said = capsys.readouterr().out
    assert [verdict for verdict in verify(paths) if not verdict.intact] == [], said
    return [line for line in said.splitlines() if line.startswith("LOST ")]


def statuses(paths: ResultsPaths) -> dict[str, str]:
    with closing(Journal.read(paths.journal)) as journal:
        return journal.statuses()


@pytest.mark.parametrize("table", [EPOCHS, CLASSES, CURVES, ATTEMPTS], ids=lambda table: table.name)
def test_trials_run_again_whose_rows_are_damaged_too(
    paths: ResultsPaths, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    before = statuses(paths)
    damage(paths.journal, paths.table(table.name))
    lost = repaired(paths, capsys)
    assert f"LOST the rows of {table.name}.parquet, which is damaged too, or gone" in lost
    assert any(line.startswith("LOST 9 trials had ended and lack rows") for line in lost)
    ended = {trial for trial, status in before.items() if status in ENDED}
    after = statuses(paths)
    assert {after[trial] for trial in ended} == {"pending"}
    assert {trial: after[trial] for trial in before if trial not in ended} == {
        trial: status for trial, status in before.items() if trial not in ended
    }
    assert not {row["trial_id"] for row in read(EPOCHS, paths).to_pylist()} & ended


def test_trials_that_are_lost_leave_no_rows_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = tuned_sample.write_tuned(tmp_path / "demo")
    evaluated = {trial for trial in statuses(paths) if trial not in ids(paths, TUNING_TRIALS)}
    damage(paths.journal, paths.table(TUNING_TRIALS.name))
    assert any("LOST the trials of tuning_trials.parquet" in line for line in repaired(paths, capsys))
    assert set(statuses(paths)) == evaluated
    assert all(ids(paths, table) <= evaluated for table in (EPOCHS, CLASSES, CURVES, ATTEMPTS))


def ids(paths: ResultsPaths, table: Table) -> set[str]:
    return set(read(table, paths)["trial_id"].to_pylist())


@pytest.mark.parametrize("exported", [True, False])
def test_it_keeps_the_id_of_the_directory_and_the_environments(
    paths: ResultsPaths, exported: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Journal.read(paths.journal)) as journal:
        before = journal.directory_id
    environments = read(ENVIRONMENTS, paths)
    damage(paths.journal, *([] if exported else [paths.checksums]))
    lost = repaired(paths, capsys)
    with closing(Journal.read(paths.journal)) as journal:
        assert (journal.directory_id == before) is exported
    assert any("the id of these results" in line for line in lost) is not exported
    assert read(ENVIRONMENTS, paths).equals(environments)


def test_before_the_first_export_everything_runs_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths, journal = sample.write_running(tmp_path / "demo")
    journal.close()
    damage(paths.journal)
    lost = repaired(paths, capsys)
    assert "LOST what ended and is in no table, if anything did: it runs again" in lost
    assert [line for line in lost if "trials.parquet" in line]
    assert statuses(paths) == {}


def test_what_an_export_has_left_that_was_cut_off_is_kept_where_it_goes_together(
    paths: ResultsPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tables of trials are of a later moment than those of attempts: both are as they were written."""
    before = statuses(paths)
    earlier = {table: paths.table(table.name).read_bytes() for table in TABLES}
    known = Checksums.read(paths.checksums)
    with closing(Journal.create_or_open(paths.journal)) as journal:
        sample.complete(journal, sample.RESNET_SGD, 1, accuracy=0.81, attempt=2)
        journal.commit()
        export(journal, paths)
    new = Checksums.read(paths.checksums)
    both = {name: (*digests, *new.tables[name]) for name, digests in known.tables.items()}
    Checksums(new.directory_id, both, new.kept).write(paths.checksums)
    for table in (CLASSES, CURVES, ATTEMPTS, ENVIRONMENTS):
        paths.table(table.name).write_bytes(earlier[table])
    assert [verdict for verdict in verify(paths) if not verdict.intact] == []
    damage(paths.journal)
    lost = repaired(paths, capsys)
    again = sample.RESNET_SGD.trial_id(1)
    assert f"LOST 1 trials had ended and lack rows, and wait again: {again}" in lost
    assert any("it was cut off" in line for line in lost)
    assert statuses(paths) == {**before, again: "pending"}
    assert again not in ids(paths, EPOCHS)


def test_levels_that_were_tuned_keep_their_names_beside_another_grid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All trials of two of its cells ran with what tuning had chosen, so that no row has those cells themselves."""
    paths = tuned_sample.write_tuned(tmp_path / "demo")
    copy = ResultsPaths(tmp_path / "copy")
    shutil.copytree(paths.root, copy.root)
    damage(copy.journal)
    repaired(copy, capsys)
    for each in (paths, copy):
        with closing(Journal.create_or_open(each.journal)) as journal:
            sample.plan(journal, [sample.MLP_SGD], seeds=(0,))
            with journal.planning("demo") as planning:
                planning.name_levels(lambda axis, levels: {level: f"{level.label}!" for level in levels})
            journal.commit()
            export(journal, each)
    columns = ["trial_id", "status", "optimizer", "model", "model_config", "optimizer_config", "tuned"]
    right, found = (every_trial(each).select(columns).sort_by("trial_id").to_pylist() for each in (paths, copy))
    assert found == right


def test_a_trial_that_runs_again_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(GRID)
    sweep = ["sweep", "grid.yaml", "--engine", "inline", "-q", "--json"]
    assert run(sweep) == 0
    paths = ResultsPaths(Path("results/demo"))
    damage(paths.journal, paths.table(EPOCHS.name))
    repaired(paths, capsys)
    assert run(sweep) == 0
    assert json.loads(capsys.readouterr().out)["ran"] == 1
    (first, second) = pq.read_table(paths.table(ATTEMPTS.name)).to_pylist()
    assert (first["resumed_epoch"], second["resumed_epoch"]) == (0, 3)
    assert set(statuses(paths).values()) == {"completed"}
