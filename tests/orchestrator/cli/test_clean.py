"""`orch du` and `orch clean`: where the bytes are, and that nothing goes but files of trials that no grid names."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.errors import UserError
from orchestrator.plan.progress import SilentProgress
from orchestrator.store.integrity.cleaning import remains, remove
from orchestrator.store.integrity.verify import verify
from orchestrator.store.journal import Journal
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep.run import SweepRequest, run_sweep
from tests.orchestrator.sweeper import misbehave

GRID = """\
name: demo
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [8]}]
  optimizer: [%s]
  regularizer: [none]
seeds: [0, 30]
protocol: {epochs: 1}
wandb: {mode: disabled}
"""
BOTH, ONE = "{name: sgd, lr: 0.1}, {name: adam, lr: 0.01}", "{name: sgd, lr: 0.1}"
PATHS = ResultsPaths(Path("results/demo"))


def sweep(optimizers: str) -> None:
    Path("grid.yaml").write_text(GRID % optimizers)
    run_sweep(SweepRequest(grid=Path("grid.yaml"), engine="inline", run_trial=misbehave), SilentProgress())


def planned(*, now: bool) -> list[str]:
    with closing(Journal.read(PATHS.journal)) as journal:
        which = "planned" if now else "NOT planned"
        return [trial for (trial,) in journal.query(f"SELECT trial_id FROM trials WHERE {which} ORDER BY trial_id")]


def size_of(trial: str) -> int:
    return 100 + int(trial[:2], 16)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """4 trials with weights and checkpoints, 2 of which the grid no longer names."""
    monkeypatch.chdir(tmp_path)
    sweep(BOTH)
    for trial in planned(now=True):
        PATHS.weights(trial).parent.mkdir(exist_ok=True)
        PATHS.weights(trial).write_bytes(b"w" * size_of(trial))
    sweep(ONE)
    for trial in planned(now=True) + planned(now=False):
        (PATHS.checkpoints / trial).mkdir(parents=True)  # as `checkpoints: {keep: last}` leaves them
        (PATHS.checkpoints / trial / "epoch-1.txt").write_bytes(b"c" * 50)
    assert (len(planned(now=True)), len(planned(now=False))) == (2, 2)
    return tmp_path


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run(list(arguments))
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def files() -> dict[str, bytes]:
    made = {".lock", ".lock-holder", "journal.sqlite-wal", "journal.sqlite-shm"}
    found = (path for path in PATHS.root.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path): path.read_bytes() for path in found if path.name not in made}


def intact() -> bool:
    return all(verdict.intact for verdict in verify(PATHS) if "epoch-" not in verdict.file)


def test_the_bytes_are_where_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = command(capsys, "du", "results/demo", "--json")
    told = json.loads(out)
    kinds = {kind["what"]: kind for kind in told["kinds"]}
    weights = sum(map(size_of, planned(now=True) + planned(now=False)))
    assert code == 0
    assert (kinds["weights"]["bytes"], kinds["weights"]["files"]) == (weights, 4)
    assert (kinds["checkpoints"]["bytes"], kinds["checkpoints"]["files"]) == (200, 4)
    assert kinds["journal"]["bytes"] >= PATHS.journal.stat().st_size
    assert told["bytes"] == sum(kind["bytes"] for kind in told["kinds"])
    cells = {cell["label"]: cell for cell in told["cells"]}
    assert len(cells) == 2 and {cell["trials"] for cell in cells.values()} == {2}
    assert sum(cell["bytes"] for cell in cells.values()) >= weights + 200
    _, out, _ = command(capsys, "du", "results/demo")
    assert "  weights (4 files)" in out and "decoded data is kept once per machine, in " in out
    assert max(map(len, out.splitlines())) <= 100


def test_what_the_machine_keeps_for_all_sweeps_is_told_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    for name, size in (("digits-1/inputs.npy", 3000), ("features/digits-2/features.npy", 70_000)):
        (cache / name).parent.mkdir(parents=True)
        (cache / name).write_bytes(b"x" * size)
    monkeypatch.setenv("ORCH_CACHE", str(cache))
    told = json.loads(command(capsys, "du", "results/demo", "--json")[1])
    assert told["decoded_data"] == str(cache)
    assert told["cache_bytes"] == {"decoded": 3000, "features": 70_000}
    _, out, _ = command(capsys, "du", "results/demo")
    assert "  decoded data\n" in out and "  features of frozen nets, in features/\n" in out


def test_of_a_damaged_journal_the_kinds_are_told_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(PATHS.journal.read_bytes())
    content[: len(content) // 2] = b"x" * (len(content) // 2)
    PATHS.journal.write_bytes(content)
    code, out, errors = command(capsys, "du", "results/demo")
    assert code == 4 and "weights (4 files)" in out and "by cell" not in out
    assert "journal.sqlite is damaged" in errors
    assert command(capsys, "clean", "results/demo", "--yes")[0] == 4


def test_a_list_comes_first_and_nothing_goes_without_a_yes(capsys: pytest.CaptureFixture[str]) -> None:
    before = files()
    code, out, _ = command(capsys, "clean", "results/demo")
    assert code == 0 and files() == before
    assert "weights (2 entries, such as " in out and "checkpoints (2 entries, such as " in out
    assert max(map(len, out.splitlines())) <= 80
    assert out.endswith("nothing was removed; --yes removes it without a question\n")
    told = json.loads(command(capsys, "clean", "results/demo", "--json")[1])
    assert told["removed"] is False and files() == before
    assert {name for one in told["found"] for name in one["names"]} == {
        name for trial in planned(now=False) for name in (f"weights/{trial}.safetensors", f"checkpoints/{trial}")
    }
    assert {one["what"]: one["bytes"] for one in told["found"]}["weights"] == sum(map(size_of, planned(now=False)))


def test_files_of_trials_that_no_grid_names_go_and_the_rest_stays_intact(capsys: pytest.CaptureFixture[str]) -> None:
    strangers = [
        PATHS.root / "weights" / "notes.txt",
        PATHS.root / "weights" / ".hidden.safetensors",
        PATHS.root / "mine",
    ]
    for path in strangers:
        path.write_text("mine")
    orphan = PATHS.root / "weights" / f"{'0' * 16}.safetensors"
    orphan.write_bytes(b"of nobody")
    kept = {path: content for path, content in files().items() if path.endswith((".parquet", ".sqlite"))}
    code, out, _ = command(capsys, "clean", "results/demo", "--yes")
    assert (code, out.splitlines()[-1]) == (0, "removed")
    for trial in planned(now=False):
        assert not PATHS.weights(trial).exists() and not (PATHS.checkpoints / trial).exists()
    for trial in planned(now=True):
        assert PATHS.weights(trial).stat().st_size == size_of(trial) and (PATHS.checkpoints / trial).is_dir()
    assert not orphan.exists() and all(path.read_text() == "mine" for path in strangers)
    assert {path: content for path, content in files().items() if path in kept} == kept
    assert intact()
    assert command(capsys, "clean", "results/demo", "--yes")[1] == "results/demo: nothing to remove\n"
    sweep(BOTH)  # the rows are there still
    assert len(planned(now=True)) == 4 and intact()


def test_what_other_grids_name_stays(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.yaml").write_text(GRID % BOTH)
    before = files()
    assert "nothing to remove" in command(capsys, "clean", "results/demo", "other.yaml", "--yes")[1]
    assert files() == before
    code, _, errors = command(capsys, "clean", "results/demo", "nowhere.yaml", "--yes")
    assert code == 2 and "nowhere.yaml" in errors and files() == before


def test_links_are_neither_followed_nor_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "thesis.txt").write_text("years of work")
    (outside / "net.safetensors").write_text("somebody's")
    link = PATHS.root / "weights" / f"{'1' * 16}.safetensors"
    link.symlink_to(outside / "net.safetensors")
    folder_link = PATHS.checkpoints / ("2" * 16)
    folder_link.symlink_to(outside)
    within = PATHS.checkpoints / planned(now=False)[0] / "inner"
    within.symlink_to(outside / "deep")
    assert command(capsys, "clean", "results/demo", "--yes")[0] == 0
    assert (outside / "deep" / "thesis.txt").read_text() == "years of work"
    assert (outside / "net.safetensors").read_text() == "somebody's"
    assert link.is_symlink() and folder_link.is_symlink() and not within.parent.exists()


def test_a_folder_that_becomes_a_link_after_the_list_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    with closing(Journal.read(PATHS.journal)) as journal:
        found = remains(PATHS, journal, (), copies=False)
    (PATHS.root / "weights").rename(outside)
    (PATHS.root / "weights").symlink_to(outside)
    there = sorted(path.name for path in outside.iterdir())
    with pytest.raises(UserError, match="cannot remove all of it"):
        remove(PATHS, found, lambda: None)
    assert sorted(path.name for path in outside.iterdir()) == there


def test_while_a_sweep_runs_nothing_goes(capsys: pytest.CaptureFixture[str]) -> None:
    before = files()
    with ResultsLock(PATHS):
        code, _, errors = command(capsys, "clean", "results/demo", "--yes")
    assert code == 5 and "is in use by" in errors
    assert files() == before


def test_where_checksums_cannot_be_read_nothing_goes(capsys: pytest.CaptureFixture[str]) -> None:
    PATHS.checksums.write_text("{}")
    before = files()
    code, _, errors = command(capsys, "clean", "results/demo", "--yes")
    assert code == 4 and "checksums.json is damaged" in errors
    assert files() == before


def test_copies_go_when_they_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    (PATHS.damaged / "2026-11-30").mkdir(parents=True)
    (PATHS.damaged / "2026-11-30" / "trials.parquet").write_bytes(b"half")
    older = PATHS.root / "journal-version-3.sqlite"
    older.write_bytes(b"older")
    assert command(capsys, "clean", "results/demo", "--yes")[0] == 0
    assert older.exists() and (PATHS.damaged / "2026-11-30").exists()
    assert command(capsys, "clean", "results/demo", "--copies", "--yes")[0] == 0
    assert not older.exists() and not (PATHS.damaged / "2026-11-30").exists() and intact()


@pytest.mark.parametrize("name", ["du", "clean"])
def test_what_is_no_results_directory_is_the_users_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    for where in ("empty", "nowhere", "grid.yaml"):
        code, out, errors = command(capsys, name, where)
        assert (code, out) == (2, "") and where in errors and "Traceback" not in errors
