import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.logs import command
from orchestrator.errors import UserError
from tests.orchestrator.sample import (
    CELLS,
    CNN_ADAM,
    CNN_SGD,
    LSTM_SGD,
    MLP_SGD,
    SKIPPED,
    write_regression,
    write_sample,
)
from tests.orchestrator.tuned_sample import SGD, tuning_id, write_tuned


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("results") / "demo").root


def logs(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_failed_trial_shows_every_attempt_with_print_and_traceback(demo: Path):
    text = logs(demo, CNN_ADAM.trial_id(0)).stdout
    assert "attempt 1: error" in text
    assert "attempt 2: error" in text
    assert "attempt 1 printed this" in text
    assert "attempt 2 printed this" in text
    assert "RuntimeError: shapes do not match" in text
    assert "adam lr=0.003" in text


def test_a_unique_prefix_in_capitals_is_enough(demo: Path):
    text = logs(demo, MLP_SGD.trial_id(0)[:8].upper()).stdout
    assert text.startswith(f"trial {MLP_SGD.trial_id(0)} of cell {MLP_SGD.cell_id}")
    assert "epoch 3 of 3" in text
    assert [line.split()[0] for line in text.splitlines()[-3:]] == ["1", "2", "3"]


def test_a_skipped_trial_says_why_it_never_started(demo: Path):
    text = logs(demo, LSTM_SGD.trial_id(0)).stdout
    assert f"skipped: {SKIPPED}" in text
    assert "it was never started" in text


def test_json_of_a_diverged_trial_has_null_where_the_loss_was_not_a_number(demo: Path):
    text = logs(demo, CNN_SGD.trial_id(1), "--json").stdout
    trial_log = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert trial_log["status"] == "diverged"
    assert [epoch["val_loss"] for epoch in trial_log["epochs"]] == [1.0, None]
    assert trial_log["attempts"][0]["started_at"] == "2026-11-02T09:35:00+00:00"


def test_regression_shows_the_squared_error(tmp_path: Path):
    root = write_regression(tmp_path / "numbers").root
    (first, *_) = [row["trial_id"] for row in json.loads(_trials(root))]
    assert "val_mse" in logs(root, first).stdout


def test_a_trial_that_tunes_says_what_it_tried_and_that_it_was_stopped(tmp_path: Path):
    root = write_tuned(tmp_path / "tuned").root
    text = logs(root, tuning_id(SGD, 0)).stdout
    assert "tuned        model.hidden=[16] optimizer.lr=0.01\n" in text
    assert "purpose      tuning" in text
    assert "stopped      early, after 1 of 3 epochs" in text
    assert "seed" not in text
    assert "stopped" not in logs(root, tuning_id(SGD, 1)).stdout
    chosen = logs(root, SGD.trial_id(1)).stdout
    assert "seed         1\n" in chosen
    assert "tuned        model.hidden=[64, 32] optimizer.lr=0.9\n" in chosen
    assert "purpose" not in chosen


def _trials(root: Path) -> str:
    from orchestrator.cli.results import command as results

    return CliRunner().invoke(results, [str(root), "--json"]).stdout


def test_an_ambiguous_prefix_lists_the_ids(demo: Path):
    error = logs(demo, "").exception
    assert isinstance(error, UserError)
    assert min(cell.trial_id(seed) for cell in CELLS for seed in (0, 1)) in str(error)


def test_an_unknown_id_names_the_near_one(demo: Path):
    known = MLP_SGD.trial_id(0)
    error = logs(demo, known[:-1] + ("0" if known[-1] != "0" else "1")).exception
    assert isinstance(error, UserError)
    assert known in str(error)


@pytest.mark.parametrize("odd", ["%", "*", "'; DROP TABLE trials; --", "zzzz"])
def test_odd_characters_find_nothing(demo: Path, odd: str):
    assert isinstance(logs(demo, odd).exception, UserError)
