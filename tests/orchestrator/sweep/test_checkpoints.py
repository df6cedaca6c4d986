"""Sweeps that are killed in the middle of a trial: it goes on from its last epoch and ends as if nothing had happened."""

from pathlib import Path

import pandas as pd

from tests.orchestrator.processes import ORCH, finish, start, wait_until

GRID = """\
name: sweep
axes:
  dataset: digits
  model: {name: cnn, channels: [[8]], batch_norm: true}
  optimizer: {name: adam, lr: [0.001, 0.002]}
  regularizer: {name: dropout, p: 0.3}
protocol: {epochs: %d, schedule: plateau}
wandb: {mode: disabled}
checkpoints: %s
"""


def sweep(folder: Path, epochs: int, policy: str, results: str) -> None:
    (folder / "grid.yaml").write_text(GRID % (epochs, policy))
    code, _, errors = finish(start(folder, ORCH, "sweep", "grid.yaml", "--engine", "inline", "--results", results))
    assert code == 0, errors


def table(folder: Path, name: str) -> pd.DataFrame:
    """Sorted, without what time has made of it."""
    found = pd.read_parquet(folder / f"{name}.parquet")
    times = [column for column in found if "seconds" in column or "_ms_" in column or column.endswith("_at")]
    own = ["samples_per_second", "peak_memory_bytes", "environment_id", "attempts", "pid"]
    plain = found.drop(columns=[*times, *(column for column in own if column in found)])
    return plain.sort_values(list(plain.columns[:2])).reset_index(drop=True)


def kept(results: Path) -> dict[str, set[int]]:
    """Trial id to the epochs of its checkpoints."""
    return {
        folder.name: {int(path.stem.removeprefix("epoch-")) for path in folder.glob("epoch-*.json")}
        for folder in (results / "checkpoints").glob("*")
    }


def test_a_trial_whose_sweep_is_killed_goes_on_from_its_last_epoch(tmp_path: Path) -> None:
    sweep(tmp_path, 20, "{seconds: 1h}", "whole")
    assert not (tmp_path / "whole" / "checkpoints").exists(), "a quick trial keeps nothing"
    (tmp_path / "grid.yaml").write_text(GRID % (20, "{seconds: 0}"))
    killed = tmp_path / "killed"

    def newest() -> int:
        return max((epoch for epochs in kept(killed).values() for epoch in epochs), default=0)

    process = start(tmp_path, ORCH, "sweep", "grid.yaml", "--engine", "inline", "--results", "killed")
    wait_until("some epochs are kept", lambda: newest() >= 3, process)
    process.kill()
    finish(process)
    left = newest()
    sweep(tmp_path, 20, "{seconds: 0}", "killed")
    for name in ("trials", "epochs", "classes", "curves"):
        pd.testing.assert_frame_equal(table(killed, name), table(tmp_path / "whole", name))
    resumed = pd.read_parquet(killed / "attempts.parquet")["resumed_epoch"]
    assert left in set(resumed)
    assert not (killed / "checkpoints").exists(), "both trials are completed"


def test_the_policy_says_what_is_kept_of_a_completed_trial(tmp_path: Path) -> None:
    sweep(tmp_path, 3, "{seconds: 1h, keep: best}", "best")
    best = table(tmp_path / "best", "trials").set_index("trial_id")["best_epoch"]
    assert kept(tmp_path / "best") == {trial_id: {epoch, 3} for trial_id, epoch in best.items()}
