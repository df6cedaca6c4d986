"""Data that changes while it is read, or in between: what is kept is of what the fingerprint says, or nothing is."""

import os
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainables.data import array_folder, cache, content
from trainables.data.cache import contents
from trainables.data.content import stamps, steadily
from trainables.dataset import DataLocation, Dataset, Examples
from trainables.datasets.clip_folder import ClipFolder
from trainables.datasets.image_folder import ImageFolder
from trainables.datasets.image_parquet import ImageParquet
from trainables.datasets.imagenet import Imagenet
from trainables.datasets.kmnist import Kmnist
from trainables.errors import BrokenImage, DataError

Change = Callable[[], object]


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    (tmp_path / "data").mkdir()
    return DataLocation(data=tmp_path / "data", beside=None, cache=tmp_path / "cache")


def image(path: Path, value: int) -> Path:
    """A bitmap: its size is the same whatever its value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), value).save(path, "BMP")
    return path


def replaced(path: Path, other: Path) -> None:
    """By a file of the same size and time, as `rsync -a` and `cp -p` leave them."""
    status = path.stat()
    copy = path.with_name(f".{path.name}.copy")
    shutil.copyfile(other, copy)
    assert copy.stat().st_size == status.st_size
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    copy.replace(path)


def written_over(path: Path, other: Path) -> None:
    """In place, and with the old time."""
    status = path.stat()
    path.write_bytes(other.read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def folder(root: Path, first: int) -> Dataset:
    for number in range(6):
        image(root / f"{number % 2}" / f"{number}.bmp", first + number)
    return ImageFolder(path=root.name)


def streamed(root: Path, first: int) -> Dataset:
    folder(root, first)
    return Imagenet(path=root.name, size=(4, 4), channels=1)


def clips(root: Path, first: int) -> Dataset:
    for number in range(6):
        for frame in range(2):
            image(root / f"{number % 2}" / f"clip{number}" / f"{frame}.bmp", first + number + 20 * frame)
    return ClipFolder(path=root.name, frames=2)


def table(root: Path, first: int) -> Dataset:
    root.mkdir()
    rows = [image(root / "one.bmp", first + number).read_bytes() for number in range(6)]
    (root / "one.bmp").unlink()
    labels = pa.array([number % 2 for number in range(6)])
    pq.write_table(pa.table({"image": rows, "label": labels}), root / "t.parquet", compression=None)
    return ImageParquet(path=root.name)


def idx(root: Path, first: int) -> Dataset:
    root = root.parent / ("kmnist" if first < 100 else root.name)
    root.mkdir()
    for name in ("train", "t10k"):
        pixels = np.arange(first, first + 6, dtype=np.uint8).repeat(16).tobytes()
        (root / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 6, 4, 4) + pixels)
        (root / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 6) + bytes(range(6)))
    return Kmnist()


DATA = pytest.mark.parametrize("make", [folder, streamed, clips, table, idx])
WAYS = pytest.mark.parametrize("exchange", [replaced, written_over])


def pairs(dataset: Dataset, place: DataLocation, other: Path) -> list[tuple[Path, Path]]:
    """Each file of a data set, and the file in its place in the other."""
    files = [Path(file) for file in dataset.content_files(place)]
    root = Path(os.path.commonpath(files)) if len(files) > 1 else files[0].parent
    return [(file, other / file.relative_to(root)) for file in files]


def pixels(dataset: Dataset, place: DataLocation, fingerprint: str) -> list[int]:
    found = contents(dataset, place, fingerprint).examples
    if isinstance(found, Examples):
        return np.asarray(found.inputs).reshape(len(found), -1)[:, 0].tolist()
    return [int(found.decoder.decode(index, None)[0, 0, 0]) for index in range(len(found))]


@DATA
@WAYS
def test_files_of_the_same_size_and_time_are_other_files(
    place: DataLocation, tmp_path: Path, make: Callable[[Path, int], Dataset], exchange: Callable[[Path, Path], None]
) -> None:
    assert place.data is not None
    dataset = make(place.data / "set", 10)
    make(tmp_path / "other", 110)
    before = dataset.fingerprint(place)
    first = pixels(dataset, place, before)
    for file, new in pairs(dataset, place, tmp_path / "other"):
        exchange(file, new)
    after = dataset.fingerprint(place)
    assert after != before
    assert pixels(dataset, place, after) == [value + 100 for value in first]


@DATA
def test_what_changes_between_fingerprint_and_decoding_is_refused(
    place: DataLocation, tmp_path: Path, make: Callable[[Path, int], Dataset]
) -> None:
    assert place.data is not None
    dataset = make(place.data / "set", 10)
    make(tmp_path / "other", 110)
    planned = dataset.fingerprint(place)
    file, new = pairs(dataset, place, tmp_path / "other")[0]
    replaced(file, new)
    with pytest.raises(DataError, match="not those of the plan"):
        contents(dataset, place, planned)
    assert not [entry for entry in place.cache.glob("*-*") if entry.is_dir()]


class Busy(ImageFolder):
    """Something is done to the files at each decoding, after some images have been read."""

    def load(self, place: DataLocation) -> Examples:
        examples = super().load(place)
        _meanwhile.pop(0)() if _meanwhile else None
        return examples


_meanwhile: list[Change] = []


@contextmanager
def meanwhile(*changes: Change) -> Iterator[None]:
    _meanwhile[:] = changes
    yield
    assert not _meanwhile


def test_what_changes_while_it_is_decoded_is_decoded_again_or_refused(place: DataLocation, tmp_path: Path) -> None:
    assert place.data is not None
    root = place.data / "set"
    folder(root, 10)
    dataset = Busy(path="set")
    planned = dataset.fingerprint(place)
    one, other, back = root / "0" / "0.bmp", image(tmp_path / "x.bmp", 99), tmp_path / "back.bmp"
    shutil.copyfile(one, back)

    def there_and_back() -> None:
        replaced(one, other)
        replaced(one, back)

    with meanwhile(there_and_back):  # nobody can tell which of them was decoded, so that it is done once more
        assert pixels(dataset, place, planned) == [10, 12, 14, 11, 13, 15]
    shutil.rmtree(place.cache)
    with (
        meanwhile(there_and_back, there_and_back),
        pytest.raises(DataError, match=r"set/0/0\.bmp changed while it was read; wait until nothing writes"),
    ):
        contents(dataset, place, planned)
    with (
        meanwhile(lambda: image(root / "1" / "new.bmp", 7)),
        pytest.raises(DataError, match="not those of the pl"),
    ):
        contents(dataset, place, planned)
    again = dataset.fingerprint(place)
    with meanwhile(one.unlink), pytest.raises(DataError, match=r"not those of the plan"):
        contents(dataset, place, again)


def test_a_backup_that_makes_links_changes_nothing(place: DataLocation) -> None:
    assert place.data is not None
    root = place.data / "set"
    folder(root, 10)
    dataset = Busy(path="set")
    planned = dataset.fingerprint(place)
    with meanwhile(lambda: os.link(root / "0" / "0.bmp", place.data / "backup.bmp")):
        assert len(pixels(dataset, place, planned)) == 6


def test_a_streamed_image_that_changes_is_named_and_one_whose_times_change_is_read(
    place: DataLocation, tmp_path: Path
) -> None:
    assert place.data is not None
    dataset = streamed(place.data / "set", 10)
    found = contents(dataset, place, dataset.fingerprint(place)).examples
    assert not isinstance(found, Examples)
    one = place.data / "set" / "0" / "0.bmp"
    os.utime(one)
    assert found.decoder.decode(0, None)[0, 0, 0] == 10
    replaced(one, image(tmp_path / "x.bmp", 99))
    with pytest.raises(BrokenImage, match=r"0/0\.bmp: it has changed since the data was looked at"):
        found.decoder.decode(0, None)
    one.unlink()
    with pytest.raises(BrokenImage, match=r"0/0\.bmp: No such file"):
        found.decoder.decode(0, None)


def test_a_changed_list_of_groups_is_another_content(place: DataLocation) -> None:
    assert place.data is not None
    folder(place.data / "set", 10)
    people = place.data / "people.csv"
    lines = [f"{number % 2}/{number}.bmp,{'ab'[number // 3]}" for number in range(6)]
    people.write_text("\n".join(["path,group", *lines]))
    dataset = ImageFolder(path="set", groups="people.csv")
    planned = dataset.fingerprint(place)
    people.write_text("\n".join(["path,group", *(line.replace(",a", ",b") for line in lines[:1]), *lines[1:]]))
    with pytest.raises(DataError, match="not those of the plan"):
        contents(dataset, place, planned)
    assert str(people) in dataset.content_files(place)


def test_of_large_sets_the_files_themselves_are_compared(
    place: DataLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their fingerprint is of names and sizes, and stays."""
    assert place.data is not None
    for module in (cache, content):
        monkeypatch.setattr(module, "LARGE", 10)
    dataset = folder(place.data / "set", 10)
    planned = dataset.fingerprint(place)
    assert pixels(dataset, place, planned) == [10, 12, 14, 11, 13, 15]
    replaced(place.data / "set" / "0" / "0.bmp", image(tmp_path / "x.bmp", 99))
    assert dataset.fingerprint(place) == planned
    monkeypatch.setattr(array_folder, "_verified", set())  # as the next process has it
    assert pixels(dataset, place, planned) == [99, 12, 14, 11, 13, 15]
    shutil.rmtree(place.data / "set")
    monkeypatch.setattr(array_folder, "_verified", set())
    assert cache.decoded(dataset, place, planned).inputs[0, 0, 0, 0] == 99  # what was decoded is as good as before


def test_what_was_decoded_says_its_classes_whatever_lies_there_by_now(place: DataLocation) -> None:
    assert place.data is not None
    dataset = folder(place.data / "set", 10)
    planned = dataset.fingerprint(place)
    contents(dataset, place, planned)
    image(place.data / "set" / "-new" / "0.bmp", 3)
    found = contents(dataset, place, planned)
    assert (found.info.classes, len(found.examples)) == (("0", "1"), 6)
    assert dataset.info(place).classes == ("-new", "0", "1")


def test_reading_is_repeated_once(tmp_path: Path) -> None:
    file = image(tmp_path / "a.bmp", 1)
    (tmp_path / "b.bmp").write_bytes(file.read_bytes())
    times: list[int] = []

    def read() -> int:
        if not times:
            os.utime(file)
        times.append(len(times))
        return len(times)

    assert steadily(lambda: [str(file)], read) == 2
    before = stamps([file])
    (tmp_path / "b.bmp").replace(file)
    assert not np.array_equal(stamps([file])[:, 2], before[:, 2])
