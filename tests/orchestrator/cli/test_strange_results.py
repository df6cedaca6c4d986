"""A results directory of another program or of a newer orch: every command ends with 2, in one line, and writes nothing."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.cli import run
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator import sample

GRID = """\
name: strange
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
protocol: {epochs: 1}
wandb: {mode: disabled}
"""
COMMANDS = {
    "sweep": ["sweep", "grid.yaml", "--engine", "inline", "-q", "--results", "strange"],
    "plan": ["plan", "grid.yaml", "--results", "strange"],
    "logs": ["logs", "strange", "3fa9"],
    "figure": ["figure", "strange", "leaderboard"],
    **{f"convert {form}": ["convert", "strange", form] for form in ("tensorboard", "csv")},
    **{name: [name, "strange"] for name in ("status", "results", "report", "verify", "repair", "stop")},
}


def notes(root: Path) -> None:
    write_tables(root / "journal.sqlite", "CREATE TABLE notes (text)")


def like_ours(root: Path) -> None:
    write_tables(root / "journal.sqlite", "CREATE TABLE meta (key, value)", "CREATE TABLE trials (judge)")


def diary(root: Path) -> None:
    (root / "journal.sqlite").write_text("what I did today\n" * 300)


def table(root: Path) -> None:
    pq.write_table(pa.table({"judge": [1]}), root / "trials.parquet")


def newer(root: Path) -> None:
    """As another orch left it, sealed."""
    journal = Journal.create_or_open(sample.write_sample(root).journal)
    journal.remember("results_version", "99")
    journal.commit()
    journal.close()


def newer_tables(root: Path) -> None:
    paths = sample.write_sample(root)
    for path in root.iterdir():
        if path.suffix != ".parquet":
            path.unlink()
    trials = pq.read_table(paths.table("trials"))
    pq.write_table(trials.replace_schema_metadata({"results_version": "99"}), paths.table("trials"))


def write_tables(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (notes, "its journal.sqlite was not written by orch"),
        (like_ours, "its journal.sqlite was not written by orch"),
        (diary, "its journal.sqlite was not written by orch"),
        (table, "its trials.parquet was not written by orch"),
        (newer, "use a newer orch"),
        (newer_tables, "use a newer orch"),
    ],
)
def test_it_is_left_alone(
    make: Callable[[Path], None],
    says: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(GRID)
    root = Path("strange")
    root.mkdir()
    make(root)
    before = {path: path.read_bytes() for path in root.rglob("*")}
    assert run(COMMANDS[command]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert says in errors
    assert len(errors.splitlines()) == 1
    assert {path: path.read_bytes() for path in root.rglob("*")} == before


@pytest.mark.parametrize(
    ("bit", "commands"),
    [(1, ["verify"]), (2, ["status", "verify"]), (4, ["status", "verify"])],  # 8 is read as an earlier version is
)
def test_a_bit_that_makes_the_version_another_one_is_damage(
    bit: int, commands: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = sample.write_sample(tmp_path / "demo")
    assert run(["status", str(paths.root)]) == 0
    content = paths.journal.read_bytes()
    place = content.index(b"results_version") + len(b"results_version")
    other = content[place] ^ bit
    paths.journal.write_bytes(content[:place] + bytes([other]) + content[place + 1 :])
    for command in commands:
        assert run([command, str(paths.root)]) == 4, capsys.readouterr()


def test_a_journal_whose_header_is_gone_is_ours_still(tmp_path: Path) -> None:
    paths = ResultsPaths(tmp_path / "demo")
    sample.write_sample(paths.root)
    paths.journal.write_bytes(bytes(100) + paths.journal.read_bytes()[100:])
    for command in ("status", "verify"):
        assert run([command, str(paths.root)]) == 4
