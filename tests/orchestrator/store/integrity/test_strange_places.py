"""Names that lead out of a results directory, links where orch would write, and other things than files in their place."""

import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator.cli import run
from orchestrator.errors import DamagedResults
from orchestrator.store.paths import ResultsPaths
from results_schema import TABLES
from tests.marks import slow_but
from tests.orchestrator import sample

GRID = """\
name: demo
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
protocol: {epochs: 1, keep_weights: best}
checkpoints: {seconds: 0, keep: best}
wandb: {mode: disabled}
"""
TRIAL = sample.MLP_SGD.trial_id(0)
FILES = (
    "journal.sqlite",
    "journal.seal",
    "journal.mark",
    "checksums.json",
    *(f"{table.name}.parquet" for table in TABLES),
)
KEPT = f"weights/{TRIAL}.safetensors"
READING = (["status"], ["verify"], ["results"], ["logs", TRIAL], ["stop"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with finished results, beside another that is nobody's of orch."""
    folder = tmp_path_factory.mktemp("finished")
    made = ResultsPaths(folder / "demo")
    made.weights(TRIAL).parent.mkdir(parents=True)
    made.weights(TRIAL).write_bytes(b"weights" * 100)
    (folder / "home" / "folder").mkdir(parents=True)
    (folder / "home" / "victim.txt").write_text("mine")
    sample.write_sample(made.root)
    return folder


@pytest.fixture
def paths(finished: Path, tmp_path: Path) -> ResultsPaths:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return ResultsPaths(tmp_path / "demo")


def home(paths: ResultsPaths) -> dict[str, tuple[int, bytes]]:
    found = sorted((paths.root.parent / "home").rglob("*"))
    return {str(path): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"") for path in found}


def said(paths: ResultsPaths, which: str, name: str, digest: str) -> None:
    """`checksums.json` names a file more, and is right in itself."""
    content = json.loads(paths.checksums.read_text())["content"]
    content[which][name] = [digest, 1] if which == "kept" else [digest]
    text = json.dumps(content)
    checksum = blake2b(text.encode(), digest_size=16).hexdigest()
    paths.checksums.write_text(f'{{"checksum": "{checksum}", "content": {text}}}\n')


LEADING_OUT = ("../home/victim.txt", "../home", "..", "weights/a\0b.safetensors", "weights/\ud800.safetensors", "")
"""Of each kind of name one."""


@pytest.mark.parametrize(
    "name",
    slow_but(
        LEADING_OUT,
        [
            *(
                "../home/victim.txt",
                "weights/../../home/victim.txt",
                "../home",
                "../../../../../../../../dev/null",
                "..",
                ".",
            ),
            *("weights/a\0b.safetensors", "weights/\ud800.safetensors", "weights/\udcff.safetensors", "", "weights"),
            *(f"weights/{'x' * 5000}.safetensors", "weights/.safetensors", "weights//x.safetensors", "journal.sqlite"),
            *("weights/a/b.safetensors", "pictures/x.safetensors", "journal-version-../x.sqlite", ".lock.json"),
        ],
    ),
    ids=lambda name: ascii(name)[:40],
)
def test_a_name_that_leads_out_is_damage_of_the_file_that_has_it(
    name: str, paths: ResultsPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    before = home(paths)
    digest = blake2b(b"mine", digest_size=16).hexdigest()
    for given in (name, str(paths.root.parent / "home" / "victim.txt")):
        said(paths, "kept", given, digest)
        assert run(["verify", str(paths.root)]) == 4
        assert "DAMAGED  checksums.json" in capsys.readouterr().out
        assert run(["repair", str(paths.root)]) in (0, 4)
        assert run(["verify", str(paths.root)]) == 0
    assert home(paths) == before
    assert paths.weights(TRIAL).read_bytes() == b"weights" * 100


@pytest.mark.parametrize("name", ["../home/victim.txt", "/etc/passwd", "a\0b", "\ud800", ""])
def test_a_table_of_such_a_name_is_none_of_ours(name: str, paths: ResultsPaths) -> None:
    before = home(paths)
    said(paths, "tables", name, blake2b(b"mine", digest_size=16).hexdigest())
    for command in ("verify", "repair", "verify"):
        assert run([command, str(paths.root)]) in (0, 4)
    assert home(paths) == before


IN_THE_WAY = {
    **dict.fromkeys((".lock.json", ".journal.seal.tmp", ".trials.parquet.tmp", ".checksums.json.tmp"), "victim.txt"),
    **dict.fromkeys((".stop", "report.html", "journal.sqlite-wal", "journal.sqlite-journal", ".lock"), "not there"),
    **dict.fromkeys(("journal.mark", "trials.parquet"), "victim.txt"),
    **dict.fromkeys(("weights", "checkpoints", "wandb", "damaged"), "folder"),
}
"""Where orch writes, or an earlier one wrote, and what of the folder outside a link there leads to."""


FIRST = (".lock.json", ".trials.parquet.tmp", "journal.sqlite-wal", "report.html", "journal.mark", "weights")


@pytest.mark.parametrize("name", slow_but(FIRST, IN_THE_WAY))
def test_nothing_is_written_through_a_link(name: str, paths: ResultsPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """By who asks a sweep to stop, a report, a sweep that goes on, a repair, and the sweep after that."""
    before = home(paths)
    path = paths.root / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(paths.root.parent / "home" / IN_THE_WAY[name])
    monkeypatch.chdir(paths.root.parent)
    Path("demo.yaml").write_text(GRID)
    sweep = ["sweep", "demo.yaml", "--engine", "inline", "-q", "--results", "demo"]
    codes = {}
    for arguments in (["stop", "demo"], ["report", "demo"], sweep, ["repair", "demo"], sweep):
        codes[arguments[0]] = run(arguments)
        assert home(paths) == before, arguments
    assert codes["stop"] in (2, 4)
    assert codes["report"] in (0, 4)
    assert codes["repair"] in (0, 4)
    assert codes["sweep"] == 0 or (codes["sweep"] == 4 and path.is_symlink())


def test_a_page_that_is_a_link_is_replaced(paths: ResultsPaths) -> None:
    before = home(paths)
    page = paths.root.parent / "page.html"
    page.symlink_to(paths.root.parent / "home" / "victim.txt")
    assert run(["report", str(paths.root), "--output", str(page)]) == 0
    assert not page.is_symlink()
    assert page.read_text().startswith("<!")
    assert home(paths) == before


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "x").write_text("in it")


def to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def a_hole(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        opened = os.open(path.parent, os.O_DIRECTORY)
        made.bind(f"/proc/self/fd/{opened}/{path.name}")  # its whole path is too long for an address
        os.close(opened)


KINDS = (a_folder, os.mkfifo, to_a_device, to_itself, to_nowhere, a_hole, a_socket)
PUT = [
    pytest.param(KINDS[(place + more) % len(KINDS)], name, marks=marks)
    for place, name in enumerate([*FILES, KEPT])
    for more, marks in ((0, ()), (3, pytest.mark.slow))
]


@pytest.mark.parametrize(("put", "name"), PUT)
def test_what_is_no_regular_file_is_damage(
    put: Callable[[Path], None], name: str, paths: ResultsPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    (paths.root / name).unlink()
    put(paths.root / name)
    for arguments in READING:
        code = run([arguments[0], str(paths.root), *arguments[1:]])
        assert code == 4 if arguments == ["verify"] else code in (0, 2, 4)
    assert f"DAMAGED  {name}" in capsys.readouterr().out
    assert run(["repair", str(paths.root)]) in (0, 4)
    assert run(["verify", str(paths.root)]) == 0


@pytest.mark.parametrize("name", ["wandb", "weights", "checkpoints", "pictures"])
def test_a_folder_that_is_a_link_to_itself(name: str, paths: ResultsPaths, capsys: pytest.CaptureFixture[str]) -> None:
    folder = paths.root / name
    if folder.exists():
        shutil.rmtree(folder)
    to_itself(folder)
    for arguments in READING:
        code = run([arguments[0], str(paths.root), *arguments[1:]])
        assert code == 4 if arguments == ["verify"] else code in (0, 2, 4)
    assert f"DAMAGED  {name}: it is a link to {name}" in capsys.readouterr().out


@pytest.mark.parametrize("log", [None, "empty", "full"])
def test_nothing_is_made_beside_what_a_journal_that_is_a_link_leads_to(log: str | None, paths: ResultsPaths) -> None:
    """A link that somebody has put there is followed to read, and the folder that it leads to is not ours."""
    outside = paths.root.parent / "home" / "folder" / "journal.sqlite"
    shutil.copy(paths.journal, outside)
    if log is not None:
        outside.with_name("journal.sqlite-wal").write_bytes(b"" if log == "empty" else _log_of_one_more_row(outside))
    paths.journal.unlink()
    paths.journal.symlink_to(outside)
    before = home(paths)
    for table in TABLES:
        paths.table(table.name).unlink()  # so that what reads them asks the journal
    for arguments in (*READING, ["report"]):
        assert run([arguments[0], str(paths.root), *arguments[1:]]) in (0, 2, 4), arguments
        assert home(paths) == before, arguments


def _log_of_one_more_row(journal: Path) -> bytes:
    """What SQLite leaves behind where it was killed."""
    copy = journal.with_name("copy.sqlite")
    shutil.copy(journal, copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("INSERT INTO meta VALUES ('more', 'x')")
        left = copy.with_name("copy.sqlite-wal").read_bytes()
    for each in journal.parent.glob("copy.sqlite*"):
        each.unlink()
    return left


@pytest.mark.parametrize("command", ["status", "results", "report", "logs", "load"])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("flops", "2024-01-01"),
        ("seed", 1.5),
        ("planned", 7),
        ("started_at", b"x"),
        ("test_accuracy", "high"),
        ("flops", b"\xff"),
    ],
)
def test_a_value_of_another_type_in_the_journal_is_damage_and_no_traceback(
    column: str, value: object, command: str, paths: ResultsPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(paths.journal, isolation_level=None)) as db:
        db.execute(f"UPDATE trials SET {column} = ?", (value,))
    for table in TABLES:
        paths.table(table.name).unlink()
    if command == "load":
        with pytest.raises(DamagedResults):
            assert orchestrator.load(paths.root).trials is not None
        return
    assert run([command, str(paths.root), *([TRIAL] if command == "logs" else [])]) in (0, 4)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        *({"pid": pid} for pid in (None, "1", -1, 0, 2**80, True, [], 1.5)),
        *({"host": host} for host in (None, 5, [])),
        *({"since": since} for since in (None, 7, {})),
        *({"born": 3}, {"user": None}, {"more": 1}),
    ],
    ids=repr,
)
def test_a_lock_note_of_other_types_is_none(change: dict[str, Any], paths: ResultsPaths) -> None:
    note = {"user": "u", "host": socket.gethostname(), "pid": os.getpid(), "since": "2026-11-02T09:30:00+00:00"}
    paths.lock_holder.write_text(json.dumps(note | change))
    assert run(["status", str(paths.root)]) == 0
    assert run(["stop", str(paths.root)]) == 2
    assert not paths.stop_request.exists()


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b'"x"', b"[" * 100_000, b"\xff", b"{}", b"1e999"])
def test_a_lock_note_that_is_none(text: bytes, paths: ResultsPaths) -> None:
    paths.lock_holder.write_bytes(text)
    assert run(["status", str(paths.root)]) == 0
    assert run(["stop", str(paths.root)]) == 2
