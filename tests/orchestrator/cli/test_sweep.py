"""`orch sweep` as a user sees it: what goes to standard output, what to standard error, and how it ends."""

import json
import re
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.text import duration

GRID = """\
name: seen
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
seeds: 2
protocol: {epochs: 1}
wandb: {mode: disabled}
"""


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.yaml").write_text(GRID)
    return ["sweep", "grid.yaml", "--engine", "inline"]


def test_a_line_for_each_trial_and_a_summary_on_standard_error(
    sweep: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(sweep) == 0
    output, errors = capsys.readouterr()
    assert output == ""
    lines = [line for line in errors.splitlines() if line.startswith("[")]
    assert [re.sub(r", about .* left", "", line).partition("]")[0] for line in lines] == ["[1/2", "[2/2"]
    assert all(re.search(r"completed: validation accuracy 0\.\d{4}: .* seed \d$", line) for line in lines), lines
    assert "2 completed" in errors
    assert "results/seen" in errors
    assert "\x1b" not in errors  # not a terminal: no colours and nothing that is drawn over


def test_json_is_one_object_on_standard_output(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*sweep, "--json", "-q"]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    summary = json.loads(output)
    assert summary["counts"] == {"completed": 2}
    assert summary["ran"] == 2
    assert Path(summary["results"]).is_dir()
    assert run([*sweep, "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["ran"] == 0


def test_quiet_says_nothing(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*sweep, "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_trial_that_did_not_end_well_shows_in_the_exit_code(
    sweep: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("grid.yaml").write_text(GRID.replace("epochs: 1", "epochs: 500, trial_timeout: 0.1s"))
    assert run(sweep) == 1
    errors = capsys.readouterr().err
    assert "timed out: mlp" in errors
    assert "2 timed out" in errors
    assert run(sweep) == 1  # nothing is left to run, and it is still not well
    assert run([*sweep, "--seeds", "1"]) == 1


def test_damaged_results_end_with_4(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*sweep, "--seeds", "1"]) == 0
    journal = Path("results/seen/journal.sqlite")
    journal.write_bytes(journal.read_bytes()[:-4096])
    capsys.readouterr()
    assert run(sweep) == 4
    errors = capsys.readouterr().err
    assert "journal.sqlite is damaged" in errors.splitlines()[-1]
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text
