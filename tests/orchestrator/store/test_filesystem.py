"""Which folders other machines may write too."""

from pathlib import Path

import pytest

from orchestrator.doctor import check_machine
from orchestrator.store import local_disk
from orchestrator.store.local_disk import NETWORK_FOLDERS, NETWORK_TYPES, is_network

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:25 / /home rw,relatime shared:5 - nfs4 server:/home rw,vers=4.2
31 30 254:1 / /home/ada/scratch rw,relatime - xfs /dev/vdb rw
32 27 0:30 / /net rw,relatime - autofs systemd-1 rw
33 32 0:31 / /net rw,relatime shared:7 master:2 - lustre 10.0.0.1@tcp:/l rw
34 27 0:32 / /my\\040share rw - cifs //server/share rw
35 27 0:33 / /ssh rw - fuse.sshfs ada@server:/ rw
36 27 0:34 / /usb rw - fuseblk /dev/sdb1 rw
37 27 0:35 / /layers rw - fuse.fuse-overlayfs fuse-overlayfs rw
38 27 0:36 / /win rw - 9p drvfs rw
"""


@pytest.mark.parametrize(
    ("folder", "network"),
    [
        ("/var/results", False),
        ("/home/ada/results", True),
        ("/home", True),
        ("/homestead", False),
        ("/home/ada/scratch/results", False),
        ("/home/ada/scratchpad", True),
        ("/net/results", True),
        ("/my share/results", True),
        ("/ssh/results", True),
        ("/usb/results", False),
        ("/layers/results", False),
        ("/win/results", True),
    ],
)
def test_the_longest_mount_point_decides(
    folder: str, network: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(local_disk, "_MOUNTS", tmp_path / "mountinfo")
    assert is_network(Path(folder)) is network


def test_this_machine_s_own_mounts_are_understood(tmp_path: Path) -> None:
    assert not is_network(Path("/proc/self"))
    assert not is_network(tmp_path / "not" / "there")


def test_a_folder_that_is_declared_and_a_link_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NETWORK_FOLDERS, f"/nowhere:{tmp_path}/shared")
    (tmp_path / "shared").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "shared")
    assert is_network(tmp_path / "shared" / "results")
    assert is_network(tmp_path / "link" / "results")
    assert not is_network(tmp_path / "shared2")


def told_by_the_doctor(results: Path) -> list[str]:
    return [check.found for check in check_machine(results) if check.about == "file system"]


@pytest.mark.parametrize("kind", [*sorted(NETWORK_TYPES), "fuse.sshfs"])
def test_the_doctor_says_where_the_journal_moves(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text(f"30 27 0:25 / {tmp_path} rw - {kind} server:/ rw\n")
    monkeypatch.setattr(local_disk, "_MOUNTS", tmp_path / "mountinfo")
    assert is_network(tmp_path / "results")
    (message,) = told_by_the_doctor(tmp_path / "results")
    assert message == f"{tmp_path} is on a network file system ({kind}): the journal is kept on local disk and copied"


def test_the_doctor_tells_of_a_declared_folder_and_of_no_local_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told_by_the_doctor(tmp_path) == []
    monkeypatch.setenv(NETWORK_FOLDERS, str(tmp_path))
    (message,) = told_by_the_doctor(tmp_path)
    assert f"(by {NETWORK_FOLDERS})" in message
