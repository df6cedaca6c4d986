import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.results import command
from orchestrator.errors import DamagedResults, UserError
from results_schema import TRIALS
from tests.orchestrator.sample import CNN_SGD, MLP_ADAM, MLP_SGD, write_regression, write_running, write_sample
from tests.orchestrator.tuned_sample import write_tuned


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("results") / "demo").root


def results(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def rows(*arguments: object) -> list[dict[str, object]]:
    done = results(*arguments, "--json")
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_the_best_test_accuracy_comes_first_and_the_unmeasured_last(demo: Path):
    found = [row["test_accuracy"] for row in rows(demo)]
    assert found == [0.99, 0.97, 0.95, 0.94, 0.9, 0.8, *[None] * 6]


def test_the_table_for_a_program_says_what_happened_to_every_trial(demo: Path):
    text = results(demo).stdout
    lines = [line for line in text.splitlines() if "digits" in line]
    assert len(lines) == 12
    assert lines[0].split()[:3] == [CNN_SGD.trial_id(0), "digits", "cnn"]
    assert "out_of_memory" in text
    assert "nan" not in text.lower()
    assert "None" not in text


def test_regression_is_sorted_by_the_smallest_error(tmp_path: Path):
    root = write_regression(tmp_path / "numbers").root
    assert [row["test_mse"] for row in rows(root)] == [0.25, 0.5]
    head = results(root).stdout
    assert "test_mse" in head
    assert "test_accuracy" not in head


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["model=mlp"], 4),
        (["model!=mlp"], 8),
        (["test_accuracy>0.94"], 3),
        (["test_accuracy >= 0.94"], 4),
        (["test_accuracy<0.9"], 1),
        (["test_accuracy="], 6),
        (["test_accuracy!="], 6),
        (["status=completed", "seed=1"], 2),
        (["planned=true"], 12),
        (["planned=no"], 0),
        (["started_at>2026-11-02T09:36"], 1),
        (["optimizer=adam lr=0.003"], 4),
        (["reason=the loss became NaN in epoch 2"], 1),
    ],
)
def test_where(demo: Path, conditions: list[str], expected: int):
    given = [part for condition in conditions for part in ("--where", condition)]
    assert len(rows(demo, *given)) == expected


def test_sort_columns_and_limit(demo: Path):
    found = rows(demo, "--sort", "seed", "--descending", "--columns", "seed, model", "--limit", 2)
    assert found == [{"seed": 1, "model": "mlp"}, {"seed": 1, "model": "mlp"}]
    worst = rows(demo, "--sort", "test_accuracy", "--ascending", "--limit", 1)
    assert worst[0]["test_accuracy"] == 0.8
    assert rows(demo, "--limit", 0) == []


def test_csv_has_empty_fields_where_nothing_was_measured(demo: Path):
    text = results(demo, "--csv", "--columns", "trial_id,optimizer,test_accuracy").stdout
    found = {row["trial_id"]: row for row in csv.DictReader(io.StringIO(text))}
    assert found[MLP_ADAM.trial_id(1)] == {
        "trial_id": MLP_ADAM.trial_id(1),
        "optimizer": "adam lr=0.003",
        "test_accuracy": "0.97",
    }
    assert found[CNN_SGD.trial_id(1)]["test_accuracy"] == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sort", "test_acuracy"], "test_accuracy"),
        (["--columns", "modle"], "model"),
        (["--where", "sede=1"], "seed"),
        (["--where", "test_accuracy>high"], "a number"),
        (["--where", "planned=maybe"], "true or false"),
        (["--where", "started_at>yesterday"], "a time"),
        (["--where", "no sign at all"], "COLUMN=VALUE"),
        (["--json", "--csv"], "exclude each other"),
    ],
)
def test_what_cannot_be_used_is_the_users_error_with_a_hint(demo: Path, arguments: list[str], words: str):
    error = results(demo, *arguments).exception
    assert isinstance(error, UserError)
    assert words in str(error)


def test_before_the_first_export_the_journal_is_read_and_nothing_written(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    found = rows(paths.root)
    journal.close()
    assert [row["status"] for row in found].count("completed") == 1
    assert found[0]["trial_id"] == MLP_SGD.trial_id(0)
    assert found[0]["started_at"] == "2026-11-02T09:35:00+00:00"
    assert not list(paths.root.glob("*.parquet"))


def test_a_flipped_bit_in_the_table_is_noticed(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    table = paths.table("trials")
    column = pq.read_metadata(table).row_group(0).column(TRIALS.columns.index("test_accuracy"))
    content = bytearray(table.read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 60] ^= 1  # in the pages, before what follows them
    table.write_bytes(content)
    assert isinstance(results(paths.root).exception, DamagedResults)


def test_tuned_values_are_readable_and_tuning_trials_are_shown_when_asked_for(tmp_path: Path):
    root = write_tuned(tmp_path / "tuned").root
    done = results(root)
    assert "\tmodel.hidden=[64, 32] optimizer.lr=0.9\t" in done.stdout
    assert "12 of them are for tuning (show them with --where purpose=tuning)" in done.stderr
    tuning = results(root, "--where", "purpose=tuning").stdout
    head = tuning.splitlines()[0].split("\t")
    assert "epochs" in head
    assert not {"seed", "test_accuracy", "purpose"} & set(head), "they have no seed of their own"
    assert "purpose" in results(root, "--where", "purpose!=").stdout.splitlines()[0]
    assert rows(root, "--limit", 1)[0]["tuned"] == '{"model.hidden": [64, 32], "optimizer.lr": 0.9}'
