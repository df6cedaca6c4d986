"""`orch plan` as a user sees it."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from orchestrator.cli import run
from orchestrator.cli.plan import command
from orchestrator.errors import DamagedResults, GridError, UserError
from orchestrator.grid import read_grid
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep.record import cell_row, trial_rows
from tests.orchestrator.sample import write_sample

ROOT = Path(__file__).parents[3]
GRID = """name: tiny
axes:
  dataset: digits
  model: [mlp, lstm]
  optimizer: {name: sgd, lr: [0.1, 0.01]}
  regularizer: [none, {name: augment, crop: 8}]
seeds: 2
exclude: [{model: lstm, optimizer: {name: sgd, lr: 0.1}}]
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ORCH_DATA", raising=False)


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "grid.yaml"
    path.write_text(GRID)
    return path


def plan(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_it_counts_cells_trials_and_what_is_skipped_and_why(grid: Path, tmp_path: Path) -> None:
    counted = json.loads(plan(grid, "--results", tmp_path / "none", "--json").stdout)
    assert (counted["cells"], counted["trials"], counted["to_run"], counted["done"]) == (8, 16, 6, 0)
    assert counted["skipped"] == 10
    reasons = {skipped["reason"]: skipped["cells"] for skipped in counted["skipped_cells"]}
    assert reasons.pop("excluded by exclude[0]") == 2
    ((crop, cells),) = reasons.items()
    assert cells == 3
    assert "crop" in crop
    assert "digits has 8x8" in crop


def test_the_text_says_the_same(grid: Path, tmp_path: Path) -> None:
    lines = [" ".join(line.split()) for line in plan(grid, "--results", tmp_path / "none").stdout.splitlines()]
    assert lines[1:7] == ["8 cells", "16 trials", "0 already done", "6 to run", "10 skipped, in 5 cells:", lines[6]]
    assert "2 × excluded by exclude[0]" in lines


def test_what_is_done_failed_and_waiting_is_told_apart(grid: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    journal = Journal.create_or_open(ResultsPaths(results).journal)
    planned = Plan(read_grid(grid), data_location(None, grid))
    with journal.planning("tiny") as planning:
        for cell in planned.cells():
            planning.add(cell_row(cell), list(trial_rows(cell, [0, 1])))
    runs = [trial.trial_id for trial in planned.trials() if trial.cell.skip is None]
    for trial_id, status in zip(runs, ["completed", "diverged", "failed", "cancelled"], strict=False):
        journal._update_trial(trial_id, {"status": status})
    journal.commit()
    journal.close()
    counted = json.loads(plan(grid, "--results", results, "--json").stdout)
    assert [counted[key] for key in ("done", "failed", "to_run", "skipped", "trials")] == [2, 1, 3, 10, 16]
    assert counted["without_predictions"] == 1  # the completed one, which an orch ran that kept none
    # a cell that is no longer excluded has not run, though the journal says that its trials are final
    grid.write_text(GRID.replace("exclude:", "#"))
    counted = json.loads(plan(grid, "--results", results, "--json").stdout)
    assert [counted[key] for key in ("done", "failed", "to_run", "skipped", "trials")] == [2, 1, 5, 8, 16]


def test_results_of_an_older_orch_are_found_in_a_grid_of_what_joined_since(tmp_path: Path) -> None:
    grid, paths = tmp_path / "grid.yaml", ResultsPaths(tmp_path)
    db = sqlite3.connect(paths.journal)
    db.executescript((ROOT / "tests" / "orchestrator" / "store" / "version_1.sql").read_text())
    db.close()
    grid.write_text(
        "name: old\naxes: {dataset: digits, model: [{name: mlp, hidden: [[4], [8]]}, lstm], optimizer: [adam,"
        " {name: sgd, lr: [0.1, 0.2], momentum: [0.0, 0.9], weight_decay: [1e-4, 0], dampening: [0, 0.1]}]}\n"
        "protocol: {epochs: 1}\n"
    )
    shown = plan(grid, "--results", tmp_path, "--json")
    counted = json.loads(shown.stdout)
    assert (counted["done"], counted["to_run"], counted["trials"]) == (1, 50, 51)
    assert "the code of 1 finished cells has changed" in shown.stderr
    grid.write_text(grid.read_text().replace("dampening: [0, 0.1]", "dampening: [0.1, 0.2]"))
    assert json.loads(plan(grid, "--results", tmp_path, "--json").stdout)["done"] == 0


def test_it_writes_nothing(grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert plan(grid).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["grid.yaml"]


def test_mistakes_are_located_and_told_at_once(tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text("name: ../x\naxes: {dataset: digits, model: mpl, optimizer: {name: sgd, lr: -1}}\nseed: 3\n")
    refused = plan(grid)
    assert isinstance(refused.exception, GridError)
    places = [(problem.line, problem.column) for problem in refused.exception.problems]
    assert places == [(1, 7), (2, 32), (2, 64), (3, 1)]
    message = str(refused.exception)
    assert "did you mean mlp" in message
    assert "greater than 0, not -1" in message
    assert "did you mean seeds" in message


def test_own_images_that_are_missing_are_located(tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(GRID.replace("digits", "{name: image_folder, path: birds}"))
    refused = plan(grid)
    assert isinstance(refused.exception, GridError)
    assert f"{grid}:3:" in str(refused.exception)
    assert "birds" in str(refused.exception)


def test_data_that_would_be_downloaded_is_named_and_counted_as_to_run(tmp_path: Path) -> None:
    grid, empty = tmp_path / "grid.yaml", tmp_path / "data"
    empty.mkdir()
    grid.write_text(GRID.replace("digits", "mnist").replace("crop: 8", "crop: 2"))
    shown = plan(grid, "--data", empty, "--results", tmp_path / "none", "--json")
    counted = json.loads(shown.stdout)
    assert (counted["cells"], counted["to_run"]) == (8, 12)
    assert "mnist" in counted["missing"][0]
    assert "a sweep would try to download it" in shown.stderr
    assert list(empty.iterdir()) == []


def test_a_data_folder_that_is_missing_is_refused(grid: Path, tmp_path: Path) -> None:
    refused = plan(grid, "--data", tmp_path / "nowhere")
    assert isinstance(refused.exception, UserError)
    assert "nowhere" in str(refused.exception)


def test_a_journal_that_is_damaged_is_said_to_be(grid: Path, tmp_path: Path) -> None:
    journal = write_sample(tmp_path / "results").journal
    journal.write_bytes(b"not a database, whatever its name" * 100)
    assert isinstance(plan(grid, "--results", tmp_path / "results").exception, DamagedResults)


def test_levels_written_twice_are_a_warning(tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(GRID.replace("[0.1, 0.01]", "[0.1, 1e-1, 0.01]"))
    shown = plan(grid, "--json")
    assert json.loads(shown.stdout)["cells"] == 8
    assert f"{grid}:5:" in shown.stderr


def test_as_a_process_it_ends_with_2_and_one_line_for_bad_input_and_imports_no_ray(tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text("- a list\n")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    code = (
        "import sys; from orchestrator.cli import run; code = run(['plan', 'grid.yaml']);"
        "assert not {'ray', 'wandb'} & set(sys.modules); sys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "grid.yaml:1:1: a grid is a mapping of keys, not a list\n"
    assert [path.name for path in tmp_path.iterdir()] == ["grid.yaml"]


def test_the_examples_plan_as_they_stand(tmp_path: Path) -> None:
    quickstart = plan(ROOT / "examples" / "quickstart.yaml", "--results", tmp_path / "none", "--json")
    counted = json.loads(quickstart.stdout)
    assert (counted["trials"], counted["skipped"], counted["warnings"]) == (12, 0, [])
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 40, 48, 3), dtype=np.uint8)
    for name, of_class in zip(("robin", "sparrow"), images, strict=True):
        (tmp_path / "birds" / name).mkdir(parents=True)
        for number, image in enumerate(of_class):
            Image.fromarray(image).save(tmp_path / "birds" / name / f"{number}.png")
    shutil.copy(ROOT / "examples" / "own_images.yaml", tmp_path)
    own = json.loads(plan(tmp_path / "own_images.yaml", "--results", tmp_path / "none", "--json").stdout)
    assert (own["cells"], own["trials"], own["to_run"], own["warnings"]) == (18, 54, 54, [])


def test_what_else_differs_between_arms_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text("""\
name: unfair
axes:
  dataset: [{name: digits, per_class: 10}, {name: digits, per_class: 20}]
  model: [{name: mlp, hidden: [8]}, {name: mlp, hidden: [64]}]
  optimizer: [{name: sgd, lr: 0.1}]
seeds: 8
overrides:
  - {when: {model: {name: mlp, hidden: [64]}}, set: {resources.workers: 2}}
claims:
  - {id: H1, text: wider, better: {model: "mlp(hidden=64)"}, than: {model: "mlp(hidden=8)"}, on: test_accuracy,
     where: {dataset: {name: digits, per_class: 10}}, fair: {parameters: 1.2, steps: equal, converged: true}}
  - {id: H2, text: more data, on: test_accuracy,
     better: {dataset: {name: digits, per_class: 20}}, than: {dataset: {name: digits, per_class: 10}}}
""")
    assert run(["plan", str(grid), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["claims"]
    assert (
        first["differs"][0] == "parameters: mlp(hidden=64) 4,810, mlp(hidden=8) 610 (7.89 times)"
    )  # 65 and 9 of a row by hand
    assert first["differs"][-1] == "workers (world size): mlp(hidden=64) 2, mlp(hidden=8) 1 (2 times)"
    assert first["confounded_by"] == ["parameters"]
    assert first["not_known_yet"] == ["cut-off training of mlp(hidden=64) and mlp(hidden=8)"]
    assert second["differs"] == [
        "optimizer steps: digits(per_class=20) 40, digits(per_class=10) 20 (2 times)",
        "training examples: digits(per_class=20) 200, digits(per_class=10) 100 (2 times)",
    ]
    assert run(["plan", str(grid)]) == 0
    assert "H1 would be confounded (by parameters)" in capsys.readouterr().out


def test_steps_and_examples_are_told_only_where_they_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text("""\
name: fair
axes:
  dataset: [{name: digits, per_class: 53}, {name: digits, per_class: 100, imbalance: 0.2308}]
  model: [cnn, {name: sgan, channels: [32, 64], hidden: [128], passes: 20}]
  optimizer: adam
seeds: 8
claims:
  - {id: even, text: even, better: {dataset: {name: digits, per_class: 53}}, than: {dataset: {name: digits, per_class: 100}},
     on: test_accuracy, where: {model: cnn}, fair: {training_examples: 1.05}}
  - {id: gan, text: no better, better: {model: cnn}, than: {model: sgan}, on: test_accuracy, fair: {steps: equal}}
""")
    assert run(["plan", str(grid), "--json"]) == 0
    even, gan = json.loads(capsys.readouterr().out)["claims"]
    assert (
        even["confounded_by"] == even["differs"] == []
    )  # 530, and 100 + 84 + 72 + 61 + 52 + 44 + 37 + 31 + 27 + 23 = 531
    assert gan["confounded_by"] == []
    assert gan["not_known_yet"] == ["optimizer steps of sgan"]


def test_how_arms_are_tested_and_validated_is_told_where_names_and_labels_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """40 images of each of two classes: 8 are tested on and 8 validated on, of a tail of a quarter 2 of the second class."""
    for kind, light in (("dark", 40), ("light", 200)):
        (tmp_path / "images" / kind).mkdir(parents=True)
        for number in range(40):
            pixels = np.random.default_rng(light + number).integers(0, 256, (4, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / kind / f"{number}.png")
    grid = tmp_path / "grid.yaml"
    grid.write_text(f"""\
name: skewed
axes:
  dataset:
    - {{name: image_folder, path: {tmp_path}/images}}
    - {{name: image_folder, path: {tmp_path}/images, imbalance: 0.25, skew: [train, validation, test]}}
  model: [{{name: mlp, hidden: [8]}}]
  optimizer: [{{name: sgd, lr: 0.1}}]
seeds: 8
protocol: {{splits: {{validation: 0.2, test: 0.2}}}}
claims:
  - {{id: H1, text: a tail harms, on: test_accuracy, fair: {{test_prior: equal, validation_labels: equal}},
     better: {{dataset: {{name: image_folder, imbalance: 1.0}}}},
     than: {{dataset: {{name: image_folder, imbalance: 0.25}}}}}}
""")
    assert run(["plan", str(grid), "--json"]) == 0
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    told = {words.partition(":")[0]: words.partition(": ")[2] for words in claim["differs"]}
    assert (
        "16" in told["validation labels"]
        and "10" in told["validation labels"]
        and "1.6 times" in told["validation labels"]
    )
    assert "50 % to 50 % a class" in told["test prior"] and "20 % to 80 % a class" in told["test prior"]
    assert "48" in told["training examples"]
    assert claim["confounded_by"] == ["validation labels", "test prior"]
