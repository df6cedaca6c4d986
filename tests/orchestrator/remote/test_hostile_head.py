"""What answers for a head may be anybody: nothing that it sends is written outside, or by half."""

import base64
import gzip
import io
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

from clusters.spec import ClusterSpec
from orchestrator.errors import DamagedResults, InfrastructureLost, OrchError, UserError
from orchestrator.plan.progress import SilentProgress
from orchestrator.remote import archive, fetch
from orchestrator.remote.archive import Piece, is_sent
from orchestrator.remote.request import Answer, answer_in
from orchestrator.store.fetched import read_fetched
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.sample import write_sample

CLUSTER = ClusterSpec(name="far", kind="jobs", address="http://127.0.0.1:8265")
BAD_NAMES = (
    "../../x",
    "..",
    ".",
    "",
    "/abs",
    "a//b",
    "./a",
    "a/../../x",
    "a\0b",
    "a\nb",
    "\udcff",
    "x" * 5000,
    ".lock",
    ".lock.json",
    ".fetched.json",
    "weights/.hidden",
    "\u202egnp.exe",
)
NOT_SENT = ("checkpoints/t/epoch-1.json", "damaged/x", "wandb/sent.jsonl", "wandb.log", "journal.sqlite-shm")
Tree = dict[str, bytes | str]


def tree(root: Path) -> Tree:
    """All that lies there."""
    found: Tree = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        found[name] = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else "folder"
    return found


def regular(name: str, content: bytes = b"content") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    if "\0" in name:  # where a plain header would end
        member.pax_headers = {"path": name}
    return member, content


def of_kind(kind: bytes, name: str = "weights/a.safetensors") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "../../sentinel"
    return member, b""


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", errors="surrogateescape", format=tarfile.PAX_FORMAT) as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


def piece_of(sent: bytes, **others: object) -> str:
    fields = {"name": "demo", "size": len(sent), "sha256": sha256(sent).hexdigest(), "running": False}
    return json.dumps({**fields, "content": base64.b64encode(sent).decode(), **others})


class World:
    """A folder to which results are fetched, with something beside it that nobody may touch."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.here = folder / "results" / "demo"
        (folder / "results").mkdir()
        (folder / "sentinel").write_bytes(b"untouched")
        monkeypatch.chdir(folder)

    def fetch(self, text: str, name: str | None = None, results: Path | None = None) -> fetch.Fetched:
        self.monkeypatch.setattr(fetch, "ask", lambda *_: Answer(0, text, ""))
        return fetch.fetch(CLUSTER, name, results, SilentProgress())

    def refused(self, text: str, kind: type[OrchError] = DamagedResults, name: str | None = None) -> None:
        """In one short line, and all is as before."""
        before = tree(self.folder)
        with pytest.raises(kind) as wrong:
            self.fetch(text, name)
        assert len(str(wrong.value)) < 700 and str(wrong.value).isprintable()
        assert tree(self.folder) == before
        assert not Path("/abs").exists()


@pytest.fixture(params=["nothing there", "fetched before"])
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path, monkeypatch)
    if request.param == "fetched before":
        made.fetch(piece_of(packed(regular("report.html", b"earlier"), regular("journal.sqlite", b""))))
    return made


def test_what_a_head_sends_is_written(world: World) -> None:
    fetched = world.fetch(piece_of(packed(regular("report.html"), regular("weights/a.safetensors"))))
    assert (fetched.results, fetched.files, fetched.bytes) == (world.here, 2, 14)
    assert (world.here / "weights/a.safetensors").read_bytes() == b"content"
    assert not (world.here / "journal.sqlite").exists() and not list(world.here.glob(".fetch-*"))
    note = read_fetched(ResultsPaths(world.here))
    assert note is not None and (note.cluster, note.running) == ("far", False)


@pytest.mark.parametrize("name", [*BAD_NAMES, 7, None, ["demo"], {}])
def test_a_sweep_whose_name_is_none_is_refused(world: World, name: object) -> None:
    world.refused(piece_of(packed(regular("report.html")), name=name))


def test_another_sweep_than_was_asked_for_is_refused(world: World) -> None:
    world.refused(piece_of(packed(regular("report.html")), name="other"), name="demo")


@pytest.mark.parametrize("name", [*BAD_NAMES, *NOT_SENT, "/".join("a" * 2000), "journal.sqlite/x"])
def test_a_member_that_no_head_sends_is_refused(world: World, name: str) -> None:
    assert not is_sent(name, running=False)
    world.refused(piece_of(packed(regular("report.html"), regular(name))))


def test_a_journal_comes_from_no_sweep_that_runs(world: World) -> None:
    world.refused(piece_of(packed(regular("journal.sqlite")), running=True))


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
        tarfile.CONTTYPE,
        tarfile.GNUTYPE_SPARSE,
        b"Z",
    ],
)
def test_a_member_that_is_no_regular_file_is_refused(world: World, kind: bytes) -> None:
    world.refused(piece_of(packed(regular("report.html"), of_kind(kind))))
    world.refused(piece_of(packed(of_kind(kind, "weights"), regular("weights/a.safetensors"))))


@pytest.mark.parametrize(
    "names", [("a.txt", "a.txt"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b"), ("weights", "weights/x")]
)
def test_a_name_that_is_there_twice_is_refused(world: World, names: tuple[str, str]) -> None:
    world.refused(piece_of(packed(*(regular(name) for name in names))))


def pax(**attributes: str) -> tuple[tarfile.TarInfo, bytes]:
    member, content = regular("report.html")
    member.pax_headers = attributes
    return member, content


def negative_size() -> bytes:
    member, _ = regular("report.html", b"")
    block = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 10 + b"\xfe\x00"  # -512
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return gzip.compress(bytes(block) + bytes(1024))


def extended_header() -> bytes:
    member, _ = regular("report.html", b"")
    member.pax_headers = {"comment": "x"}
    return member.tobuf(tarfile.PAX_FORMAT)[:1024]


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no archive": lambda: b"not an archive",
    "no tar": lambda: gzip.compress(b"not a tar"),
    "cut": lambda: packed(regular("a.txt", os.urandom(5000)))[:-2000],
    "followed by something": lambda: packed(regular("a.txt")) + b"more",
    "a tar that ends early": lambda: gzip.compress(gzip.decompress(packed(regular("a.txt", bytes(9000))))[:2000]),
    "a thousandfold": lambda: packed(regular("a.txt", bytes(40 * 2**20))),
    "a thousandfold header": lambda: packed(pax(comment="x" * (8 * 2**20))),
    "a size of its own": lambda: packed(pax(size="99999999999999999")),
    "a negative size of its own": lambda: packed(pax(size="-512")),
    "a negative size": negative_size,
    "no number": lambda: packed(pax(size="many")),
    "sparse 0.1": lambda: packed(pax(**{"GNU.sparse.map": "0,1", "GNU.sparse.size": "9" * 15})),
    "sparse 1.0": lambda: packed(pax(**{"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})),
    "a name of its own": lambda: packed(pax(path="../../sentinel")),
    "a chain of headers": lambda: gzip.compress(
        b"".join(extended_header() for _ in range(3000)) + gzip.decompress(packed(regular("a.txt")))
    ),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_that_is_none_or_a_trap_is_refused(world: World, kind: str) -> None:
    world.refused(piece_of(ARCHIVES[kind]()))


GOOD = packed(regular("report.html"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        "{}",
        "[" * 100_000,
        "1" * 10_000,
        piece_of(GOOD, more=1),
        *(piece_of(GOOD, size=size) for size in (-1, 0, 2**60, True, 1.5, "9", None, [])),
        *(piece_of(GOOD, size=size) for size in (len(GOOD) - 1, len(GOOD) + 1)),
        *(piece_of(GOOD, sha256=digest) for digest in (None, 7, "", "x" * 64, "A" * 64, "0" * 64)),
        *(piece_of(GOOD, running=running) for running in (None, 1, "no")),
        *(piece_of(GOOD, content=content) for content in (None, 7, "!", "é", "AAA", "", [])),
    ],
)
def test_a_piece_of_other_types_or_sizes_is_refused(world: World, text: str) -> None:
    world.refused(text)


def test_what_is_larger_than_the_disk_is_refused_before_it_is_fetched(world: World) -> None:
    world.monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    world.refused(piece_of(packed(regular("a.txt", bytes(2**21)))), InfrastructureLost)
    world.refused(piece_of(GOOD, size=2**21), InfrastructureLost)


@pytest.mark.parametrize("place", ["weights", "weights/deeper", "wandb", "checkpoints"])
def test_a_link_to_a_folder_on_our_side_is_not_followed(world: World, place: str) -> None:
    world.fetch(piece_of(GOOD))
    (world.folder / "elsewhere").mkdir()
    (world.here / place).parent.mkdir(exist_ok=True)
    (world.here / place).symlink_to(world.folder / "elsewhere")
    world.refused(piece_of(packed(regular("report.html", b"new"), regular("weights/deeper/a.safetensors"))))


@pytest.mark.parametrize("name", ["report.html", "trials.parquet", "journal.sqlite", "journal.sqlite-journal"])
def test_a_link_to_a_file_on_our_side_is_replaced_and_a_folder_is_in_the_way(world: World, name: str) -> None:
    world.fetch(piece_of(GOOD))
    for found in ("report.html", name):
        (world.here / found).unlink(missing_ok=True)
    (world.here / "journal.sqlite-wal").symlink_to(world.folder / "sentinel")
    (world.here / "report.html").symlink_to(world.folder / "sentinel")
    sending = piece_of(packed(regular("report.html"), regular("trials.parquet")))
    if name != "report.html":
        (world.here / name).mkdir()
        world.refused(sending, OrchError)
        (world.here / name).rmdir()
    if name != "journal.sqlite-journal":
        world.fetch(sending)
        assert not (world.here / "report.html").is_symlink()
    assert (world.folder / "sentinel").read_bytes() == b"untouched"


@pytest.mark.parametrize(
    "make",
    [
        *(
            lambda note, text=text: note.write_bytes(text)
            for text in (b"", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"cluster": ["far"]}', b"7" * 10_000)
        ),
        lambda note: note.mkdir(),
        lambda note: os.mkfifo(note),
        lambda note: note.symlink_to(note),
        lambda note: note.symlink_to("/dev/zero"),
    ],
)
def test_results_of_this_machine_are_kept_whatever_lies_in_place_of_the_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    world = World(tmp_path, monkeypatch)
    write_sample(world.here)
    before = (world.here / "journal.sqlite").read_bytes()
    make(world.here / ".fetched.json")
    with pytest.raises(UserError, match="was not fetched"):
        world.fetch(piece_of(GOOD))
    assert (world.here / "journal.sqlite").read_bytes() == before
    assert not (world.here / "report.html").exists()


def test_a_file_in_place_of_the_directory_and_a_link_that_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, monkeypatch)
    world.here.write_bytes(b"mine")
    world.refused(piece_of(GOOD), UserError)
    world.here.unlink()
    world.here.symlink_to(world.folder / "nowhere")
    world.refused(piece_of(GOOD), UserError)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    fields = {"code": 0, "output": "", "errors": ""}
    others = [{"code": code} for code in (None, True, "0", -1, 256, 1.0, [])]
    others += [{key: value} for key in ("output", "errors") for value in (None, 7, [], {})]
    texts = [json.dumps({**fields, **other}) for other in (*others, {"more": 1})]
    texts += ["", "null", "[]", "[" * 100_000, "1" * 10_000]
    yield [line_of(text.encode()) for text in texts]


def line_of(text: bytes) -> str:
    return "orch-answer: " + base64.b64encode(zlib.compress(text)).decode()


def test_a_line_that_is_no_answer_is_another_line(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for line in (*lines, "orch-answer: ", "orch-answer: !", "orch-answer: é", "orch-answer: AAAA"):
        assert answer_in(line) is None
    good = Answer(4, "out", "err")
    assert answer_in(good.line()) == good
    monkeypatch.setattr("orchestrator.remote.request.LONGEST", 1000)
    assert answer_in(Answer(0, "x" * 2000, "").line()) is None


def test_a_head_sends_only_regular_files_of_its_results(tmp_path: Path) -> None:
    there, secret = tmp_path / "there" / "demo", tmp_path / "secret"
    write_sample(there)
    secret.mkdir()
    (secret / "key.txt").write_text("secret")
    (there / "pictures").symlink_to(secret)
    (there / "key.txt").symlink_to(secret / "key.txt")
    os.mkfifo(there / "fifo.txt")
    (there / "broken\nname.txt").write_text("x")
    (there / "one.txt").write_text("one")
    (there / "two.txt").hardlink_to(there / "one.txt")
    with (there / "hole.txt").open("wb") as file:
        file.truncate(1 << 40)
    piece = Piece.parsed(archive.pack(there, "token", 0))
    with tarfile.open(fileobj=io.BytesIO(piece.data())) as tar:
        kinds = {member.name: member.type for member in tar}
    assert {"one.txt", "two.txt", "trials.parquet", "journal.sqlite"} <= set(kinds)
    assert set(kinds.values()) == {tarfile.REGTYPE}
    assert not {name for name in kinds if "key" in name or "fifo" in name or "broken" in name or "hole" in name}
    assert list((tmp_path / "there").iterdir()) == [there]


def test_what_is_packed_denser_than_a_trap_may_be_is_sent_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, monkeypatch)
    there = tmp_path / "there" / "demo"
    there.mkdir(parents=True)
    (there / "zeros.bin").write_bytes(bytes(2**24 + 5))
    text = archive.pack(there, "token", 0)
    pieces = [text, archive.pack(there, "token", 1)]
    monkeypatch.setattr(fetch, "ask", lambda _, arguments, name: Answer(0, pieces[int(arguments[3])], ""))
    assert fetch.fetch(CLUSTER, "demo", world.here, SilentProgress()).bytes == 2**24 + 5
