"""The temporary folder of a local Ray, and those that killed sweeps have left."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clusters import temporary
from clusters.temporary import RayFolder, remove_abandoned


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(temporary, "_ROOT", tmp_path)
    return tmp_path


def aged(folder: Path) -> Path:
    os.utime(folder, (1, 1))
    return folder


def test_a_folder_is_ours_alone_and_goes_with_all_that_is_in_it(root: Path) -> None:
    folder = RayFolder()
    assert folder.path.parent == root
    assert folder.path.stat().st_mode & 0o777 == 0o700
    (folder.path / "session").mkdir()
    folder.remove()
    assert list(root.iterdir()) == []


def test_what_a_killed_sweep_has_left_is_removed(root: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from clusters import temporary\n"
        "temporary._ROOT = Path(sys.argv[1]); folder = temporary.RayFolder(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(root)], check=False)
    (left,) = root.iterdir()
    remove_abandoned()
    assert left.exists(), "it may be one whose owner is about to lock it"
    aged(left)
    remove_abandoned()
    assert not left.exists()


def test_what_is_in_use_stays(root: Path) -> None:
    used = RayFolder()
    aged(used.path)
    descriptor = os.open(used.path, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(descriptor)
    remove_abandoned()
    assert used.path.exists()
    used.remove()


def test_what_is_not_such_a_folder_stays(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (root / "orch-ray-file").write_text("")
    (root / "orch-ray-link").symlink_to(elsewhere)
    (root / "orch-other").mkdir()
    aged(root / "orch-ray-file")
    aged(root / "orch-other")
    os.utime(root / "orch-ray-link", (1, 1), follow_symlinks=False)
    remove_abandoned()
    assert {path.name for path in root.iterdir()} == {"orch-ray-file", "orch-ray-link", "orch-other"}
    assert elsewhere.exists()
