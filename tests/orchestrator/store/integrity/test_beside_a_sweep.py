"""`orch verify` where something else is going on, or has been: a sweep, a cluster's, an older orch, a disk of others."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from clusters.spec import ClusterSpec
from orchestrator.cli import run
from orchestrator.plan.progress import SilentProgress
from orchestrator.remote import archive, fetch
from orchestrator.remote.request import Answer
from orchestrator.store import place
from orchestrator.store.integrity.verify import verify
from orchestrator.store.journal import Journal
from orchestrator.store.local_disk import JOURNAL_DIR, NETWORK_FOLDERS
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import place_of
from tests.orchestrator import processes, sample
from trainables.training import checkpoints

GRID = """\
name: sweep
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
seeds: %d
protocol: {epochs: %d}
checkpoints: {seconds: 0, keep: unfinished}
wandb: {mode: disabled}
"""

LOOKS = 6


def damaged(paths: ResultsPaths) -> dict[str, str]:
    return {verdict.file: verdict.damage for verdict in verify(paths) if verdict.damage is not None}


def details(paths: ResultsPaths) -> dict[str, str]:
    return {verdict.file: verdict.detail for verdict in verify(paths)}


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_sweep_that_runs_is_whole_whenever_one_looks(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(GRID % (400, 2))
    paths = ResultsPaths(tmp_path / "results" / "sweep")
    sweep = processes.start(tmp_path, "-m", "orchestrator", "sweep", "grid.yaml", "--engine", "inline", "-q")
    try:
        processes.wait_until("a trial is done", lambda: processes.counts(paths.root)["completed"] > 0, sweep)
        seen: list[int] = []
        while len(seen) < LOOKS or seen[-1] == seen[0]:  # at least one trial was finished between the looks
            assert damaged(paths) == {}
            seen.append(processes.counts(paths.root)["completed"])
            assert sweep.poll() is None, "it has ended too soon: these were no looks beside it"
    finally:
        sweep.kill()
        sweep.communicate()
    assert damaged(paths) == {}


@pytest.mark.parametrize("how", ["flip", "cut", "json", "gone"])
def test_a_damaged_checkpoint_is_named_and_set_aside(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = sample.write_sample(tmp_path / "demo")
    trial = sample.RESNET_SGD.trial_id(1)
    folder = paths.checkpoints / trial
    folder.mkdir(parents=True)
    for epoch in (1, 2):
        checkpoints.write(
            folder, checkpoints.Header(trial, trial, epoch, 1, "cpu"), {"lr": 1e-5}, {"w": torch.arange(500.0)}
        )
    assert damaged(paths) == {}
    tensors, name = folder / "epoch-2.safetensors", f"checkpoints/{trial}/epoch-2.json"
    match how:
        case "flip":
            flip(tensors, 900)
        case "cut":
            tensors.write_bytes(tensors.read_bytes()[:-7])
        case "json":
            flip(folder / "epoch-2.json", 60)
        case "gone":
            tensors.unlink()
    assert run(["verify", str(paths.root)]) == 4
    assert f"DAMAGED  {name}" in capsys.readouterr().out
    assert run(["repair", str(paths.root)]) == 0, "nothing is lost: its trial goes on from the first epoch"
    assert f"{name}: set aside" in capsys.readouterr().out
    assert damaged(paths) == {}
    assert sorted(path.name for path in folder.iterdir()) == ["epoch-1.json", "epoch-1.safetensors"]
    assert [path.name for path in paths.damaged.rglob("epoch-2.json")] == ["epoch-2.json"]


def test_results_of_before_there_were_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text((GRID % (2, 1)).replace("{epochs: 1}", "{epochs: 1, keep_predictions: false}"))
    sweep = ["sweep", "grid.yaml", "--engine", "inline", "-q", "--json"]
    assert run(sweep) == 0
    paths = ResultsPaths(Path("results/sweep"))
    for name in ("journal.seal", "journal.mark", "checksums.json"):
        (paths.root / name).unlink()
    assert set(damaged(paths)) == {"journal.seal", "journal.mark", "checksums.json"}, "this orch writes them"
    for table in paths.root.glob("*.parquet"):
        as_version_3(table)
    with closing(sqlite3.connect(paths.journal)) as db:
        db.execute("UPDATE meta SET value = '3' WHERE key = 'results_version'")
        db.execute("PRAGMA journal_mode = DELETE")
        db.commit()
    capsys.readouterr()
    assert run(["verify", str(paths.root)]) == 0
    said = capsys.readouterr().out
    assert "not sealed yet" in said
    assert "no checksum yet" in said
    assert run(sweep) == 0
    assert json.loads(capsys.readouterr().out)["ran"] == 0
    assert damaged(paths) == {}
    assert "not sealed" not in details(paths)["journal.sqlite"]
    assert all((paths.root / name).exists() for name in ("journal.seal", "journal.mark", "checksums.json"))


def as_version_3(path: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), b"results_version": b"3"}), path)


def test_tables_that_were_fetched_while_their_sweep_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = sample.write_sample(tmp_path / "there" / "demo")
    here = ResultsPaths(tmp_path / "here")

    def ask(cluster: ClusterSpec, arguments: list[str], name: str | None) -> Answer:
        return Answer(0, archive.pack(there.root, arguments[2], int(arguments[3])), "")

    monkeypatch.setattr(fetch, "ask", ask)
    cluster = ClusterSpec(name="far", kind="jobs", address="http://127.0.0.1:8265")
    for running in (False, True):  # what came with the first has to leave no journal beside the tables of the second
        monkeypatch.setattr(archive, "living_holder", lambda paths, running=running: paths if running else None)
        fetch.fetch(cluster, "demo", here.root, SilentProgress())
        assert damaged(here) == {}
        assert here.journal.exists() is not running
    assert run(["verify", str(here.root)]) == 0
    assert "on far, where the sweep ran when this was fetched" in capsys.readouterr().out
    before = here.table("trials").read_bytes()
    assert run(["repair", str(here.root)]) == 2
    assert "orch fetch" in capsys.readouterr().err
    assert (here.table("trials").read_bytes(), here.journal.exists()) == (before, False)
    flip(here.table("trials"), 500)
    assert set(damaged(here)) == {"trials.parquet"}


def test_the_journal_of_a_sweep_that_was_killed_on_a_cluster_comes_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = sample.write_sample(tmp_path / "there" / "demo"), tmp_path / "here"
    journal = Journal.create_or_open(there.journal)
    sample.complete(journal, sample.RESNET_SGD, 1, accuracy=0.81, attempt=2)
    journal.commit()
    shutil.copytree(there.root, tmp_path / "killed" / "demo")
    journal.close()
    monkeypatch.setattr(
        fetch,
        "ask",
        lambda _, given, name: Answer(0, archive.pack(tmp_path / "killed/demo", given[2], int(given[3])), ""),
    )
    fetch.fetch(ClusterSpec(name="far", kind="jobs", address="http://127.0.0.1:8265"), "demo", here, SilentProgress())
    assert damaged(ResultsPaths(here)) == {}
    with closing(Journal.read(here / "journal.sqlite")) as came:
        assert came.statuses()[sample.RESNET_SGD.trial_id(1)] == "completed"


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[ResultsPaths]:
    """Results on a file system that nobody may write: as root, permissions do not bind."""
    root = tmp_path / "results" / "demo"
    root.mkdir(parents=True)
    mounted = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(root)]
    try:
        subprocess.run(mounted, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a file system")
    try:
        paths = sample.write_sample(root)
        subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
        yield paths
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


def test_results_that_nobody_may_write(
    read_only: ResultsPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(GRID % (1, 1))
    results = str(read_only.root)
    for command in (
        ["plan", "grid.yaml", "--results", results],
        ["status", results],
        ["results", results],
        ["verify", results],
    ):
        assert run(command) == 0, command
    capsys.readouterr()
    sweep = ["sweep", "grid.yaml", "--engine", "inline", "-q", "--results", results]
    for command in (sweep, ["report", results], ["repair", results], ["stop", results]):
        assert run(command) == 2, command
        assert len(capsys.readouterr().err.splitlines()) == 1, command


class OnNetwork:
    """Results on a network file system, whose sweep was cut off on this machine."""

    def __init__(self, folder: Path) -> None:
        self.paths = ResultsPaths(folder / "shared" / "demo")
        sample.write_sample(self.paths.root)  # of a local disk, and moved here since
        found = place_of(self.paths, lambda: None)
        with closing(Journal.create_or_open(found.journal)) as journal:
            found.opened(journal)
            sample.complete(journal, sample.RESNET_SGD, 1, accuracy=0.81, attempt=2)
            journal.commit()
        self.local = found.journal

    def status(self) -> str:
        """Of the trial that only the journal on local disk knows as completed."""
        with closing(Journal.read(self.paths.journal)) as journal:
            return journal.statuses()[sample.RESNET_SGD.trial_id(1)]


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OnNetwork:
    monkeypatch.setenv(NETWORK_FOLDERS, str(tmp_path / "shared"))
    monkeypatch.setenv(JOURNAL_DIR, str(tmp_path / "disk"))
    return OnNetwork(tmp_path)


def test_a_journal_on_local_disk_is_looked_at_too(network: OnNetwork) -> None:
    found = details(network.paths)
    assert damaged(network.paths) == {}
    assert {"journal.sqlite", "journal.seal", str(network.local)} <= set(found)
    assert "journal.mark" not in found
    network.paths.journal.with_suffix(".seal").unlink()  # as one is left that was killed while it made a copy
    assert damaged(network.paths) == {}


@pytest.mark.parametrize("how", ["flip", "noise"])
def test_a_damaged_journal_on_local_disk_is_refused_and_repaired_where_its_user_knows_it(
    network: OnNetwork, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "flip":
        flip(network.local, network.local.stat().st_size // 2)
    else:
        network.local.write_bytes(b"noise" * 9000)
    before = network.local.read_bytes()
    assert run(["verify", str(network.paths.root)]) == 4
    assert f"DAMAGED  {network.local}" in capsys.readouterr().out
    with pytest.raises(place.DamagedResults, match=f"{network.local}.*orch repair {network.paths.root}`"):
        place_of(network.paths, lambda: None)
    assert network.local.read_bytes() == before, "never replaced unasked"
    capsys.readouterr()
    assert run(["repair", str(network.paths.root)]) == 4
    assert "LOST what ended after the journal was last copied" in capsys.readouterr().out
    assert damaged(network.paths) == {}
    assert network.status() == "cancelled", "as the copy had it"
    with closing(Journal.read(network.paths.journal)) as journal:
        assert journal.log(sample.CNN_ADAM.trial_id(0)), "the copy has what attempts had printed"
    assert [path.read_bytes() for path in network.paths.damaged.rglob("local/journal.sqlite")] == [before]
    assert not network.local.exists(), "the results have all of it"
    place_of(network.paths, lambda: None)


@pytest.mark.parametrize("how", ["flip", "gone"])
def test_a_damaged_copy_is_made_anew_of_the_journal_on_local_disk(network: OnNetwork, how: str) -> None:
    if how == "flip":
        flip(network.paths.journal, 9000)
    else:
        network.paths.journal.unlink()
    assert "journal.sqlite" in damaged(network.paths)
    assert run(["repair", str(network.paths.root)]) == 0
    assert damaged(network.paths) == {}
    assert network.status() == "completed"


@pytest.mark.parametrize("name", ["journal.sqlite", "trials.parquet"])
def test_what_only_the_machine_has_that_was_cut_off_is_gone_on_with_unless_the_copy_was_rebuilt_elsewhere(
    network: OnNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv(JOURNAL_DIR, str(tmp_path / "other"))
        path = network.paths.root / name
        flip(path, path.stat().st_size - 2000)
        run(["repair", str(network.paths.root)])
        assert damaged(network.paths) == {}
        assert not list((tmp_path / "other").rglob("*.sqlite"))
        assert not [path for path in network.paths.root.iterdir() if path.name.endswith(("-wal", "-shm", ".repaired"))]
    found = place_of(network.paths, lambda: None)
    assert found.journal == network.local
    found.publish()
    assert network.status() == ("cancelled" if name == "journal.sqlite" else "completed")
