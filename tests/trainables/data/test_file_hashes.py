"""Hashes of files: equal for equal bytes, remembered, and of samples of the bytes where there are too many."""

import os
from pathlib import Path

import numpy as np
import pytest

from trainables.data import content as module
from trainables.data.content import file_hashes
from trainables.dataset import DataLocation
from trainables.errors import BrokenImage


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path / "cache")


def written(folder: Path, **contents: bytes) -> list[str]:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in contents]


@pytest.mark.parametrize("large", [False, True])
def test_equal_files_have_equal_hashes(
    place: DataLocation, tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr(module, "LARGE", 10)
    random = np.random.default_rng(0).bytes(50_000)
    other = bytearray(random)
    other[25_000] ^= 1  # in the middle, which is looked at in a large set too
    longer = random + b"\0"
    files = written(tmp_path, a=random, b=bytes(other), c=random, d=longer, e=b"", f=b"")
    hashes = file_hashes(place, files)
    assert hashes.dtype == np.uint64
    assert hashes[0] == hashes[2] and hashes[4] == hashes[5]
    assert len(set(hashes.tolist())) == 4


def test_a_file_that_changes_is_hashed_anew(place: DataLocation, tmp_path: Path) -> None:
    files = written(tmp_path, a=b"one", b=b"two")
    before = file_hashes(place, files)
    np.testing.assert_array_equal(file_hashes(place, files), before)
    (tmp_path / "b").write_bytes(b"one")
    os.utime(tmp_path / "b", ns=(0, 1))
    after = file_hashes(place, files)
    assert after[0] == after[1] == before[0]


def test_a_file_that_cannot_be_read_is_named(
    place: DataLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = written(tmp_path, a=b"one", b=b"two")
    opened = Path.open

    def refusing(self: Path, *arguments: object, **named: object) -> object:
        if self.name == "b":
            raise PermissionError(13, "Permission denied")  # root may read whatever its mode says
        return opened(self, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refusing)
    with pytest.raises(BrokenImage, match="/b: Permission denied"):
        file_hashes(place, files)
