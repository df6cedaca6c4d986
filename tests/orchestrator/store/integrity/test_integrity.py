"""Verify and repair: whatever is damaged is found and named, and only that runs again."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.errors import DamagedResults
from orchestrator.store import sql, tables
from orchestrator.store.connection import read_copy
from orchestrator.store.integrity.verify import verify
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.sealing.inspection import refuse_damage
from results_schema import ENDED, TABLES
from tests.marks import slow_but
from tests.orchestrator import sample

LATER = sample.Cell(model="vit")
JOURNAL = ("journal.sqlite", "journal.seal", "journal.mark")
TABLE_FILES = tuple(f"{table.name}.parquet" for table in TABLES)
KEPT = (f"weights/{sample.MLP_SGD.trial_id(0)}.safetensors", f"pictures/{sample.MLP_SGD.trial_id(0)}.png")
OTHERS = ("checksums.json", *KEPT)
FILES = (*JOURNAL, *TABLE_FILES, *OTHERS)


def finished(root: Path) -> ResultsPaths:
    """What a sweep leaves that has ended, weights and an image with it."""
    paths = ResultsPaths(root)
    for name in KEPT:
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(random.Random(name).randbytes(3000))
    return sample.write_sample(paths.root)


def killed(root: Path) -> ResultsPaths:
    """What a sweep leaves that was killed some time after its tables were written: its log holds the end of it."""
    live = sample.write_sample(root / "live")
    journal = Journal.create_or_open(live.journal)
    sample.complete(journal, sample.RESNET_SGD, 1, accuracy=0.81, attempt=2)
    journal.commit()
    sample.plan(journal, [*sample.CELLS, LATER], seeds=(0, 1), skipped={sample.LSTM_SGD: sample.SKIPPED})
    for seed in (0, 1):
        sample.complete(journal, LATER, seed, accuracy=0.82)
        journal.commit()
    shutil.copytree(live.root, root / "killed")
    journal.close()
    for name in ("journal.sqlite-shm", ".lock", ".lock.json"):
        (root / "killed" / name).unlink(missing_ok=True)
    return ResultsPaths(root / "killed")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ResultsPaths:
    return finished(tmp_path_factory.mktemp("finished") / "demo")


@pytest.fixture(scope="module")
def with_log(tmp_path_factory: pytest.TempPathFactory) -> ResultsPaths:
    return killed(tmp_path_factory.mktemp("killed"))


def damaged(paths: ResultsPaths) -> dict[str, str]:
    return {verdict.file: verdict.damage for verdict in verify(paths) if verdict.damage is not None}


def damages(content: bytes, seed: str, bits: int = 500, cuts: int = 50) -> list[bytes]:
    numbers = random.Random(seed)
    places = [numbers.randrange(8 * len(content)) for _ in range(bits)]
    flipped = [content[: at // 8] + bytes([content[at // 8] ^ (1 << at % 8)]) + content[at // 8 + 1 :] for at in places]
    return [*flipped, *(content[: numbers.randrange(len(content))] for _ in range(cuts))]


def assert_found(paths: ResultsPaths, name: str, look: Callable[[], object]) -> None:
    """look: raises DamagedResults that names the file."""
    path = paths.root / name
    content = path.read_bytes()
    unseen = []
    for number, damage in enumerate(damages(content, name)):
        path.write_bytes(damage)
        try:
            look()
            unseen.append(number)
        except DamagedResults as error:
            assert name in str(error)
            assert "orch repair" in str(error)
    path.write_bytes(content)
    look()
    assert unseen == []


def test_what_is_whole_is_found_whole_and_nothing_is_written(whole: ResultsPaths, with_log: ResultsPaths) -> None:
    for paths in (whole, with_log):
        before = {path: path.read_bytes() for path in paths.root.rglob("*") if path.is_file()}
        assert damaged(paths) == {}
        assert {path: path.read_bytes() for path in paths.root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", JOURNAL)
def test_any_damage_of_the_journal_stops_a_sweep(whole: ResultsPaths, name: str) -> None:
    assert_found(whole, name, lambda: refuse_damage(whole.journal))


@pytest.mark.parametrize("name", ["journal.sqlite-wal", *JOURNAL])
def test_any_damage_of_what_was_killed_stops_a_sweep(with_log: ResultsPaths, name: str) -> None:
    def look() -> None:
        found = damaged(with_log) if name == "journal.sqlite" else {}
        refuse_damage(with_log.journal)
        assert not found

    if name != "journal.sqlite":
        assert_found(with_log, name, lambda: refuse_damage(with_log.journal))
        return
    # pages that stand in the log are not read from the main file: what befalls them changes nothing
    content = with_log.journal.read_bytes()
    right = rows_of(with_log)
    for damage in damages(content, name, bits=60, cuts=10):
        with_log.journal.write_bytes(damage)
        try:
            refuse_damage(with_log.journal)
            found = rows_of(with_log)
        except DamagedResults:
            continue
        assert found == right
    with_log.journal.write_bytes(content)


def rows_of(paths: ResultsPaths) -> dict[str, list[tuple[object, ...]]]:
    with closing(read_copy(paths.journal)) as db:
        return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in sql.tables()}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_any_damage_of_a_table_is_seen_by_whoever_reads_it(whole: ResultsPaths, table: tables.Table) -> None:
    assert_found(whole, f"{table.name}.parquet", lambda: tables.read(table, whole))


def test_any_damage_of_the_checksums_is_seen(whole: ResultsPaths) -> None:
    assert_found(whole, "checksums.json", lambda: tables.refuse_damaged_tables(whole))


@pytest.mark.parametrize("name", KEPT)
def test_any_damage_of_a_kept_file_is_named(whole: ResultsPaths, name: str) -> None:
    from orchestrator.store.integrity.verify import kept_verdicts

    def look() -> None:
        for verdict in kept_verdicts(whole):
            if verdict.damage is not None:
                raise DamagedResults(f"{verdict.file}: {verdict.damage} (orch repair)")

    assert_found(whole, name, look)


FIRST = [("gone", "journal.sqlite"), ("cut", "trials.parquet"), ("gone", "epochs.parquet"), ("gone", KEPT[0])]
FIRST += [("flip", name) for name in FILES]


@pytest.mark.parametrize(
    ("how", "name"),
    [
        pytest.param(how, name, marks=() if (how, name) in FIRST else pytest.mark.slow)
        for how in ("flip", "cut", "gone")
        for name in FILES
    ],
)
def test_what_is_repaired_is_as_before(
    whole: ResultsPaths, tmp_path: Path, name: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = ResultsPaths(tmp_path / "demo")
    shutil.copytree(whole.root, paths.root)
    content = (paths.root / name).read_bytes()
    if how == "gone":
        (paths.root / name).unlink()
    else:
        (paths.root / name).write_bytes(damages(content, name, bits=1, cuts=1)[how == "cut"])
    assert run(["verify", str(paths.root)]) == 4
    output = capsys.readouterr().out
    assert f"DAMAGED  {name}" in output
    code = run(["repair", str(paths.root)])
    output = capsys.readouterr().out
    assert damaged(paths) == {}, output
    if how != "gone":
        assert [path.read_bytes() for path in paths.damaged.rglob(Path(name).name)] != [content]
    assert code == (4 if name in (*KEPT, "journal.sqlite") else 0), output
    assert ("LOST what attempts had printed" in output) is (name == "journal.sqlite"), "the tables have all the rest"
    for table in TABLES:
        assert repr(tables.read(table, paths).to_pylist()) == repr(tables.read(table, whole).to_pylist())
    assert run(["verify", str(paths.root)]) == 0


def statuses(paths: ResultsPaths) -> dict[str, str]:
    journal = Journal.read(paths.journal)
    found = journal.statuses()
    journal.close()
    return found


@pytest.mark.parametrize("seed", slow_but((0, 4), range(8)))
def test_only_what_ended_since_the_last_export_runs_again(
    with_log: ResultsPaths, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tables have what ended before the last export; the log alone has three trials that ended since."""
    paths = ResultsPaths(tmp_path / "demo")
    shutil.copytree(with_log.root, paths.root)
    before = statuses(with_log)
    log = paths.root / "journal.sqlite-wal"
    content = log.read_bytes()
    log.write_bytes(damages(content, str(seed), bits=4, cuts=4)[seed])
    assert run(["repair", str(paths.root)]) == 4
    assert "and is in no table, if anything did: it runs again" in capsys.readouterr().out
    assert damaged(paths) == {}
    after = statuses(paths)
    again = {trial for trial in before if after.get(trial) != before[trial]}
    assert again <= {sample.RESNET_SGD.trial_id(1), LATER.trial_id(0), LATER.trial_id(1)}
    assert not {after.get(trial) for trial in again} & ENDED


@pytest.mark.parametrize("seed", slow_but((0, 1), range(6)))
def test_pages_that_are_gone_cost_no_trial_that_the_tables_have(whole: ResultsPaths, tmp_path: Path, seed: int) -> None:
    paths = ResultsPaths(tmp_path / "demo")
    shutil.copytree(whole.root, paths.root)
    content = bytearray(paths.journal.read_bytes())
    numbers = random.Random(seed)
    for _ in range(3):
        page = numbers.randrange(len(content) // 4096)
        content[page * 4096 : (page + 1) * 4096] = numbers.randbytes(4096)
    paths.journal.write_bytes(bytes(content))
    run(["repair", str(paths.root)])
    assert damaged(paths) == {}
    assert statuses(paths) == statuses(whole)
    for table in TABLES:
        assert repr(tables.read(table, paths).to_pylist()) == repr(tables.read(table, whole).to_pylist())


GRID = """\
name: seen
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
seeds: 2
protocol: {epochs: 1, keep_weights: best}
wandb: {mode: disabled}
"""


def test_a_sweep_refuses_what_is_damaged_and_goes_on_once_it_is_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(GRID)
    sweep = ["sweep", "grid.yaml", "--engine", "inline", "-q"]
    assert run(sweep) == 0
    paths = ResultsPaths(Path("results/seen"))
    assert damaged(paths) == {}
    assert {verdict.file for verdict in verify(paths)} > {f"weights/{trial}.safetensors" for trial in statuses(paths)}
    before = {table.name: tables.read(table, paths).to_pylist() for table in TABLES}
    for path in (paths.journal, paths.table("epochs")):
        path.write_bytes(damages(path.read_bytes(), path.name)[0])
        assert run(sweep) == 4
        (line,) = capsys.readouterr().err.splitlines()
        assert path.name in line
        assert "orch repair" in line
        assert run(["repair", "results/seen"]) == (4 if path == paths.journal else 0), "what was printed is in no table"
        assert damaged(paths) == {}
        assert {table.name: tables.read(table, paths).to_pylist() for table in TABLES} == before
    capsys.readouterr()
    assert run([*sweep, "--json"]) == 0
    assert '"ran": 0' in capsys.readouterr().out


def test_an_older_journal_is_whole_and_so_is_its_copy_afterwards(tmp_path: Path) -> None:
    paths = ResultsPaths(tmp_path)
    db = sqlite3.connect(paths.journal)
    db.executescript((Path(__file__).parents[1] / "version_1.sql").read_text())
    db.execute(
        "INSERT INTO attempts (trial_id, attempt, status, started_at, environment_id)"
        " SELECT trial_id, attempts, 'completed', started_at, 'e' FROM trials"
    )
    db.commit()
    db.close()
    assert damaged(paths) == {}
    assert run(["repair", str(tmp_path)]) == 0
    assert damaged(paths) == {}
    copy = tmp_path / "journal-version-1.sqlite"
    content = copy.read_bytes()
    copy.write_bytes(damages(content, "copy")[0])
    assert set(damaged(paths)) == {copy.name}
