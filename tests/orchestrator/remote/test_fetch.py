"""What the head packs, and what is made of it here."""

import base64
import json
from pathlib import Path

import pytest

from clusters.spec import ClusterSpec
from orchestrator.errors import DamagedResults, UserError
from orchestrator.progress import Silence
from orchestrator.remote import archive, fetch
from orchestrator.remote.request import Answer
from tests.orchestrator.sample import write_sample

CLUSTER = ClusterSpec(name="far", kind="jobs", address="http://127.0.0.1:8265")


class Head:
    """Packs as the head does, without Ray between; may flip a byte on the way."""

    def __init__(self, root: Path, *, damaged: bool = False) -> None:
        self.root, self.damaged, self.pieces = root, damaged, 0

    def __call__(self, cluster: ClusterSpec, arguments: list[str], name: str | None) -> Answer:
        self.pieces += 1
        text = archive.pack(self.root / (name or "demo"), arguments[2], int(arguments[3]))
        if self.damaged:
            piece = archive.Piece(**json.loads(text))
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
    fetched = fetch.fetch(CLUSTER, "demo", tmp_path / "here", Silence())
    sent = {path.name: path.read_bytes() for path in (head.root / "demo").glob("*.*") if not path.name.startswith(".")}
    came = {path.name: path.read_bytes() for path in (tmp_path / "here").glob("*.*") if not path.name.startswith(".")}
    assert came == sent
    assert "trials.parquet" in came and "journal.sqlite" in came
    assert not (tmp_path / "here" / "checkpoints").exists()
    assert head.pieces > 1
    assert (fetched.files, fetched.running) == (len(sent), False)
    assert not list(head.root.glob(".fetch-*"))


def test_it_can_be_fetched_again(head: Head, tmp_path: Path) -> None:
    fetch.fetch(CLUSTER, "demo", tmp_path / "here", Silence())
    (tmp_path / "here" / "trials.parquet").write_bytes(b"old")
    fetch.fetch(CLUSTER, "demo", tmp_path / "here", Silence())
    assert (tmp_path / "here" / "trials.parquet").read_bytes() == (head.root / "demo" / "trials.parquet").read_bytes()


def test_what_was_damaged_on_the_way_is_not_written(
    head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head.damaged = True
    with pytest.raises(DamagedResults, match="checksum"):
        fetch.fetch(CLUSTER, "demo", tmp_path / "here", Silence())
    assert not (tmp_path / "here").exists()


def test_results_of_this_machine_and_of_another_cluster_are_never_replaced(head: Head, tmp_path: Path) -> None:
    write_sample(tmp_path / "own")
    before = (tmp_path / "own" / "journal.sqlite").read_bytes()
    with pytest.raises(UserError, match="was not fetched"):
        fetch.fetch(CLUSTER, "demo", tmp_path / "own", Silence())
    assert (tmp_path / "own" / "journal.sqlite").read_bytes() == before
    fetch.fetch(CLUSTER, "demo", tmp_path / "here", Silence())
    with pytest.raises(UserError, match="another cluster"):
        fetch.fetch(CLUSTER.model_copy(update={"name": "other"}), "demo", tmp_path / "here", Silence())
