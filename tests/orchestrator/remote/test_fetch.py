"""What the head packs, and what is made of it here."""

import base64
import gzip
import json
import tarfile
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest

from clusters.spec import ClusterSpec
from orchestrator.errors import DamagedResults, UserError
from orchestrator.plan.progress import SilentProgress
from orchestrator.remote import archive, fetch
from orchestrator.remote.archive import Piece
from orchestrator.remote.request import Answer
from orchestrator.store.integrity.verify import verify
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from tests.orchestrator.sample import MLP_SGD, write_sample
from tests.orchestrator.store.predictions import made

CLUSTER = ClusterSpec(name="far", kind="jobs", address="http://127.0.0.1:8265")


class Head:
    """Packs as the head does, without Ray between; may flip a byte on the way."""

    def __init__(self, root: Path, *, damaged: bool = False) -> None:
        self.root, self.damaged, self.pieces = root, damaged, 0

    def __call__(self, cluster: ClusterSpec, arguments: list[str], name: str | None) -> Answer:
        self.pieces += 1
        text = archive.pack(self.root / (name or "demo"), arguments[2], int(arguments[3]))
        if self.damaged:
            piece = Piece.parsed(text)
            data = bytearray(piece.data())
            data[-9] ^= 1
            text = json.dumps(
                {name: getattr(piece, name) for name in piece.__slots__}
                | {"content": base64.b64encode(bytes(data)).decode()}
            )
        return Answer(0, text, "")


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Head:
    write_sample(tmp_path / "there" / "demo")
    (tmp_path / "there" / "demo" / "checkpoints" / "t1").mkdir(parents=True)
    (tmp_path / "there" / "demo" / "checkpoints" / "t1" / "last.safetensors").write_bytes(b"large")
    made = Head(tmp_path / "there")
    monkeypatch.setattr(fetch, "ask", made)
    monkeypatch.setattr(archive, "PIECE_BYTES", 10_000)
    monkeypatch.setattr(fetch, "PIECE_BYTES", 10_000)
    return made


def test_every_file_comes_as_it_is_there(head: Head, tmp_path: Path) -> None:
    fetched = fetch.fetch(CLUSTER, "demo", tmp_path / "here", SilentProgress())
    sent = {path.name: path.read_bytes() for path in (head.root / "demo").glob("*.*") if not path.name.startswith(".")}
    came = {path.name: path.read_bytes() for path in (tmp_path / "here").glob("*.*") if not path.name.startswith(".")}
    assert came == sent
    assert "trials.parquet" in came and "journal.sqlite" in came
    assert not (tmp_path / "here" / "checkpoints").exists()
    assert head.pieces > 1
    assert (fetched.files, fetched.running) == (len(sent), False)
    assert not list(head.root.glob(".fetch-*"))


def test_it_can_be_fetched_again(head: Head, tmp_path: Path) -> None:
    fetch.fetch(CLUSTER, "demo", tmp_path / "here", SilentProgress())
    (tmp_path / "here" / "trials.parquet").write_bytes(b"old")
    fetch.fetch(CLUSTER, "demo", tmp_path / "here", SilentProgress())
    assert (tmp_path / "here" / "trials.parquet").read_bytes() == (head.root / "demo" / "trials.parquet").read_bytes()


def test_predictions_come_along_and_are_there_once_when_a_trial_has_run_again(head: Head, tmp_path: Path) -> None:
    there, here = ResultsPaths(head.root / "demo"), ResultsPaths(tmp_path / "here")
    made.add(there)
    fetch.fetch(CLUSTER, "demo", here.root, SilentProgress())
    assert len(pd.read_parquet(here.predictions)) == 6 * made.EXAMPLES
    journal = Journal.create_or_open(there.journal)
    made.complete(journal, MLP_SGD, 0, attempt=2, said=made.predictions(9))
    journal.commit()
    journal.predictions_written(export(journal, there))
    journal.close()
    fetch.fetch(CLUSTER, "demo", here.root, SilentProgress())
    found = pd.read_parquet(here.predictions).set_index("trial_id")["predicted"]
    assert len(found) == 6 * made.EXAMPLES
    assert found[MLP_SGD.trial_id(0)].tolist() == made.answers(9).predicted.tolist()
    assert all(verdict.intact for verdict in verify(here))


def test_what_was_damaged_on_the_way_is_not_written(
    head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head.damaged = True
    with pytest.raises(DamagedResults, match="checksum"):
        fetch.fetch(CLUSTER, "demo", tmp_path / "here", SilentProgress())
    assert not (tmp_path / "here").exists()


def test_results_of_this_machine_and_of_another_cluster_are_never_replaced(head: Head, tmp_path: Path) -> None:
    write_sample(tmp_path / "own")
    before = (tmp_path / "own" / "journal.sqlite").read_bytes()
    with pytest.raises(UserError, match="was not fetched"):
        fetch.fetch(CLUSTER, "demo", tmp_path / "own", SilentProgress())
    assert (tmp_path / "own" / "journal.sqlite").read_bytes() == before
    fetch.fetch(CLUSTER, "demo", tmp_path / "here", SilentProgress())
    with pytest.raises(UserError, match="another cluster"):
        fetch.fetch(CLUSTER.model_copy(update={"name": "other"}), "demo", tmp_path / "here", SilentProgress())


def test_what_was_fetched_when_a_cluster_had_no_name_is_fetched_again(head: Head, tmp_path: Path) -> None:
    nameless = CLUSTER.model_copy(update={"name": "local"})
    fetch.fetch(nameless, "demo", tmp_path / "here", SilentProgress())
    fetch.fetch(CLUSTER, "demo", tmp_path / "here", SilentProgress())
    with pytest.raises(UserError, match="another cluster"):
        fetch.fetch(nameless, "demo", tmp_path / "here", SilentProgress())


def answering(monkeypatch: pytest.MonkeyPatch, archived: bytes = b"", **changes: object) -> None:
    """A head that says what it likes, in the form that is expected."""
    message = {"name": "demo", "size": len(archived), "sha256": sha256(archived).hexdigest(), "running": False}
    text = json.dumps(message | {"content": base64.b64encode(archived).decode()} | changes)
    monkeypatch.setattr(fetch, "ask", lambda *_: Answer(0, text, ""))


def archived(name: str, kind: bytes = tarfile.REGTYPE, size: int = 5, link: str = "") -> bytes:
    """An archive of one member. size: what is said of it."""
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname, made.mode = kind, size, link, 0o666
    return gzip.compress(made.tobuf() + b"hello".ljust(512, b"\0") + bytes(1024))


def below(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "changes",
    [
        *({"name": name} for name in ("../../x", "/abs", "..", ".", "", ".ssh", "a/b", "a\0b", "\udcff", 5, None, [])),
        *({"size": size} for size in (-1, 0, 2**60, 1.5, "9", None, [])),
        *({"content": content} for content in ("!", None, 7, [], "A")),
        *({"sha256": None}, {"running": "no"}, {"more": 1}),
    ],
    ids=repr,
)
def test_an_answer_that_leads_out_or_is_none_is_refused(
    changes: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "it").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "in" / "it")
    answering(monkeypatch, archived("trials.parquet"), **changes)
    with pytest.raises(DamagedResults, match="what came from far"):
        fetch.fetch(CLUSTER, None, None, SilentProgress())
    assert list(below(tmp_path)) == [str(tmp_path / "in"), str(tmp_path / "in" / "it")]


REFUSED = {
    **{name: archived(name) for name in ("../../x", "/tmp/x", "weights/../../x", ".lock.json", "weights/.x", "a//b")},
    **{
        f"a link to {target}": archived("link", tarfile.SYMTYPE, 0, target)
        for target in ("../x", "/etc/passwd", "trials.parquet")
    },
    **{
        f"of type {kind.decode()}": archived("other", kind, 0, "trials.parquet")
        for kind in (tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
    },
    "larger than it is": archived("trials.parquet", size=2**60),
    "cut off": archived("trials.parquet")[:40],
    "no archive": gzip.compress(b"no archive at all" * 100),
}


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED)
def test_a_member_that_no_results_have_is_refused(made: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("mine")
    answering(monkeypatch, made)
    with pytest.raises(DamagedResults, match="what came from far"):
        fetch.fetch(CLUSTER, None, tmp_path / "here", SilentProgress())
    assert below(outside) == {str(outside / "x"): b"mine"}
    assert list(tmp_path.iterdir()) == [outside]


def test_nothing_is_written_through_what_lies_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside, here = tmp_path / "outside", tmp_path / "here"
    for folder in (outside, here):
        folder.mkdir()
    (outside / "note").write_text(json.dumps({"cluster": "far", "sha256": "", "running": False}))
    (here / ".fetched.json").symlink_to(outside / "note")
    (here / "report.html").symlink_to(outside / "table")
    before = below(outside)
    answering(monkeypatch, archived("report.html"))
    fetch.fetch(CLUSTER, None, here, SilentProgress())
    assert (here / "report.html").read_bytes() == b"hello"
    (here / "weights").symlink_to(outside)
    answering(monkeypatch, archived("weights/x.safetensors"))
    with pytest.raises(DamagedResults, match="writes through none"):
        fetch.fetch(CLUSTER, None, here, SilentProgress())
    assert below(outside) == before
