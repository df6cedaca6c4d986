"""What ran and what was skipped is said with the reasons; where nothing could run, no command ends as if it had."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.sweep.summary import SweepSummary

GRID = """\
name: big
axes: {dataset: [digits], model: [{name: mlp, hidden: [[4], [8]]}], optimizer: [adam], regularizer: [none]}
seeds: 2
protocol: {epochs: 1}
wandb: {mode: disabled}
"""
ROOM = "no room on this cluster: "


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.yaml").write_text("name: here\ncpus: 2\ngpus: 0\n")


@pytest.fixture
def orch(capsys: pytest.CaptureFixture[str]):
    def run_it(verb: str, grid: str, *more: str, cluster: str = "here.yaml") -> tuple[int, str, str]:
        Path("grid.yaml").write_text(grid)
        capsys.readouterr()
        engine = ["--engine", "inline"] if verb == "sweep" else []
        code = run([verb, "grid.yaml", "--cluster", cluster, *engine, *more])
        return (code, *capsys.readouterr())

    return run_it


TOO_MUCH = {
    "resources: {cpus: 3}": "it needs 3 CPUs and 0 GPUs; 'here' has 1 node of 2 CPUs, 0 GPUs",
    "resources: {gpus: 1}": "it needs 1 CPUs and 1 GPUs; 'here' has 1 node of 2 CPUs, 0 GPUs",
    "resources: {gpus: 0.25}": "it needs 1 CPUs and 0.25 GPUs; 'here' has 1 node of 2 CPUs, 0 GPUs",
    "resources: {workers: 3}": "it needs 1 CPUs and 0 GPUs for each of 3 workers; 'here' has 1 node of 2 CPUs, 0 GPUs",
    "resources: {workers: 2, cpus: 2}": "it needs 2 CPUs and 0 GPUs for each of 2 workers; 'here' has 1 node of 2 CPUs",
}


@pytest.mark.parametrize("asked", TOO_MUCH)
def test_a_plan_says_what_has_no_room_and_does_not_end_with_0(orch, asked: str) -> None:
    code, output, _ = orch("plan", GRID + asked, "--json")
    planned = json.loads(output)
    assert (code, planned["to_run"], planned["trials"]) == (2, 0, 4)
    ((reason, trials),) = [tuple(one.values()) for one in planned["without_room"]]
    assert trials == 4
    assert reason.startswith(f"{ROOM}{TOO_MUCH[asked]}")
    code, output, _ = orch("plan", GRID + asked)
    assert code == 2
    assert "nothing can run" in output
    assert f"would be skipped: {reason}" in output
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("grid", "reason"),
    [
        (f"{GRID}exclude: [{{model: mlp}}]\n", "excluded by exclude[0]"),
        (GRID.replace("digits", "moving_digits"), "mlp reads image inputs, but moving_digits has clip inputs"),
        (GRID.replace("epochs: 1", "epochs: 1, select: val_mse"), "the protocol selects on val_mse"),
    ],
)
def test_a_sweep_of_skipped_trials_says_why_and_does_not_end_with_0(orch, grid: str, reason: str) -> None:
    assert orch("plan", grid)[0] == 2
    code, _, errors = orch("sweep", grid)
    assert code == 2
    assert "big: nothing could run; 4 skipped\n" in errors
    assert f"\n  4 × {reason}" in errors
    code, output, _ = orch("sweep", grid, "--json")
    summary = json.loads(output)
    assert (code, summary["ran"], summary["nothing_could_run"]) == (2, 0, True)
    assert list(summary["skipped"].values()) == [4]
    assert next(iter(summary["skipped"])).startswith(reason)


def test_what_ran_and_what_did_not_is_reported_and_finished_sweeps_end_with_0(orch) -> None:
    part = f"{GRID}overrides: [{{when: {{model: {{name: mlp, hidden: [8]}}}}, set: {{resources.cpus: 3}}}}]\n"
    code, output, _ = orch("plan", part, "--json")
    assert (code, json.loads(output)["to_run"], json.loads(output)["without_room"][0]["trials"]) == (0, 2, 2)
    code, _, errors = orch("sweep", part)
    assert code == 0
    assert "big: ran 2 trials in " in errors
    assert f"2 completed, 2 skipped\n  2 × {ROOM}it needs 3 CPUs" in errors
    code, _, errors = orch("sweep", part)  # the same again
    assert (code, "big: nothing was left that can run; 2 completed, 2 skipped" in errors) == (0, True)
    code, output, _ = orch("plan", part, "--json")
    planned = json.loads(output)
    assert (code, planned["to_run"], planned["done"], planned["without_room"][0]["trials"]) == (0, 0, 2, 2)
    Path("large.yaml").write_text("cpus: 4\ngpus: 0\n")
    assert json.loads(orch("plan", part, "--json", cluster="large.yaml")[1])["to_run"] == 2


def test_what_has_ended_elsewhere_needs_no_room_here(orch) -> None:
    assert orch("sweep", GRID)[0] == 0
    asked = f"{GRID}resources: {{cpus: 3}}\n"
    code, output, _ = orch("plan", asked, "--json")
    assert (code, json.loads(output)["done"], json.loads(output)["without_room"]) == (0, 4, [])
    code, _, errors = orch("sweep", asked)
    assert (code, "big: nothing was left to run; 4 completed" in errors) == (0, True)
    longer = asked.replace("seeds: 2", "seeds: 3")
    code, output, _ = orch("plan", longer, "--json")
    planned = json.loads(output)
    assert (planned["done"], planned["to_run"], planned["without_room"][0]["trials"]) == (4, 0, 2)
    code, _, errors = orch("sweep", longer)
    assert code == 2, "none of what was left could run"
    assert "big: nothing could run; 4 completed, 2 skipped" in errors


def test_tuning_trials_without_room_wait_for_it(orch) -> None:
    tuned = GRID.replace("optimizer: [adam]", "optimizer: [{name: adam}]")
    tuned += "tuning: {trials: 3, search: random, space: {optimizer.lr: [1e-3, 1e-1, log]}}\n"
    part = f"{tuned}overrides: [{{when: {{model: {{name: mlp, hidden: [8]}}}}, set: {{resources.cpus: 3}}}}]\n"
    planned = json.loads(orch("plan", part, "--json")[1])
    assert (planned["to_run"], planned["without_room"][0]["trials"]) == (5, 5)
    code, _, errors = orch("sweep", part)
    assert (code, "ran 5 trials" in errors) == (0, True)
    Path("large.yaml").write_text("cpus: 4\ngpus: 0\n")
    planned = json.loads(orch("plan", part, "--json", cluster="large.yaml")[1])
    assert (planned["to_run"], planned["done"], planned["without_room"]) == (5, 5, [])


def test_a_cluster_that_cannot_be_asked_is_said_to_be_and_what_is_assumed(orch) -> None:
    Path("far.yaml").write_text("name: far\naddress: 127.0.0.1:1\n")
    code, output, errors = orch("plan", f"{GRID}resources: {{cpus: 3}}", "--json", cluster="far.yaml")
    assert (code, json.loads(output)["to_run"]) == (0, 4)
    assert "far cannot be asked what it has room for (nothing listens at 127.0.0.1:1" in errors
    assert "all trials are assumed to have room there" in errors
    Path("grows.yaml").write_text("name: grows\naddress: 127.0.0.1:1\nautoscaling: true\n")
    assert "grows adds nodes when they are asked for" in orch("plan", GRID, cluster="grows.yaml")[2]


def test_many_reasons_are_counted_and_cut(tmp_path: Path) -> None:
    reasons = {f"reason {number}": 20 - number for number in range(12)}
    made = SweepSummary("big", tmp_path, {"skipped": 174}, 0, reasons, True, 0.0, 0.0, 0.0)
    lines = made.as_text().splitlines()
    assert (lines[1], lines[10]) == ("  20 × reason 0", "  11 × reason 9")
    assert lines[11].startswith("  and 2 more reasons: `orch results ")
    assert (made.exit_code, replace(made, counts={"failed": 1, "skipped": 1}).exit_code) == (2, 1)
