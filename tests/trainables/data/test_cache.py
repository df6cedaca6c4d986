"""Decoded data sets: made once, shared, and never used when damaged or half-made."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trainables.data import array_folder, cache
from trainables.data.cache import content_hashes, decoded
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples
from trainables.errors import BrokenImage, DataError

ROOT = Path(__file__).parents[3]


class Counted(Dataset):
    """Writes a line to a file each time it is decoded."""

    name = "counted"

    log: str
    scale: int = 1
    slow: bool = False
    variant: str = ""
    content: str = "f"

    def info(self, place: DataLocation) -> DataInfo:
        return DataInfo(name=self.name, input="image", shape=(1, 4, 3), task="classification", classes=("a", "b"))

    def fingerprint(self, place: DataLocation) -> str:
        return self.content

    def load(self, place: DataLocation) -> Examples:
        with Path(self.log).open("a") as log:
            log.write(f"{os.getpid()}\n")
        if self.slow:
            time.sleep(0.5)
        inputs = np.arange(6 * 12, dtype=np.uint8).reshape(6, 1, 4, 3) * np.uint8(self.scale)
        inputs[5] = inputs[0]
        targets = np.array([0, 1, 0, 1, 0, 1])
        match self.variant:
            case "image":
                raise BrokenImage("x.png", "truncated")
            case "label":
                targets[2] = 2
            case "shape":
                inputs = inputs[:, 0]
            case "type":
                inputs = inputs.astype(np.float64)
            case "":
                pass
            case "float":
                inputs = (inputs / 255).astype(np.float32)
            case "nan":
                inputs = (inputs / 255).astype(np.float32)
                inputs[3, 0, 0, 0] = np.nan
            case "empty":
                inputs, targets = inputs[:0], targets[:0]
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
        return Examples(inputs, targets, np.zeros(len(inputs), dtype=bool))


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path / "cache")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a new process, which has compared no checksums yet."""
    monkeypatch.setattr(array_folder, "_verified", set())


def times_decoded(log: Path) -> int:
    return len(log.read_text().splitlines())


def folders(place: DataLocation) -> list[Path]:
    return [path for path in place.cache.iterdir() if path.is_dir()]


def test_decodes_once_and_gives_what_was_loaded(
    place: DataLocation, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Counted(log=str(log))
    loaded = dataset.load(place)
    for _ in range(3):
        examples = decoded(dataset, place, "f")
        forget(monkeypatch)
        np.testing.assert_array_equal(examples.inputs, loaded.inputs)
        np.testing.assert_array_equal(examples.targets, loaded.targets)
        np.testing.assert_array_equal(examples.official_test, loaded.official_test)
    assert times_decoded(log) == 2  # ours above, and one


def test_what_comes_back_is_mapped_and_cannot_be_changed(place: DataLocation, log: Path) -> None:
    examples = decoded(Counted(log=str(log)), place, "f")
    assert isinstance(examples.inputs, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        examples.inputs[0] = 0


def test_another_content_or_configuration_is_decoded_apart(place: DataLocation, log: Path) -> None:
    decoded(Counted(log=str(log)), place, "f")
    other = decoded(Counted(log=str(log), scale=2), place, "f")
    decoded(Counted(log=str(log), content="g"), place, "g")
    assert other.inputs[0, 0, 0, 1] == 2
    assert times_decoded(log) == 3


def test_equal_inputs_have_equal_hashes(place: DataLocation, log: Path) -> None:
    hashes = content_hashes(Counted(log=str(log)), place, "f")
    assert hashes.dtype == np.uint64
    assert hashes[0] == hashes[5]
    assert len(set(hashes.tolist())) == 5


def test_floats_are_kept_as_they_are(place: DataLocation, log: Path) -> None:
    dataset = Counted(log=str(log), variant="float")
    examples = decoded(dataset, place, "f")
    np.testing.assert_array_equal(examples.inputs, dataset.load(place).inputs)
    assert examples.inputs.dtype == np.float32
    assert len(set(content_hashes(dataset, place, "f").tolist())) == 5


def test_a_cache_that_was_deleted_is_made_anew(place: DataLocation, log: Path) -> None:
    dataset = Counted(log=str(log))
    before = decoded(dataset, place, "f")
    shutil.rmtree(place.cache)
    np.testing.assert_array_equal(decoded(dataset, place, "f").inputs, before.inputs)


@pytest.mark.parametrize("name", ["inputs.npy", "targets.npy", "official_test.npy", "content_hashes.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damage_is_found_and_mended(
    place: DataLocation, log: Path, name: str, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Counted(log=str(log))
    expected = np.array(decoded(dataset, place, "f").inputs)
    path = folders(place)[0] / name
    content = bytearray(path.read_bytes())
    path.unlink()
    content[-2] ^= 4
    if damage != "remove":
        path.write_bytes(content if damage == "flip" else content[:-3])
    forget(monkeypatch)
    np.testing.assert_array_equal(decoded(dataset, place, "f").inputs, expected)
    assert times_decoded(log) == 2
    assert len(folders(place)) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("label", "example 2 has the label 2, of 2 classes"),
        ("shape", r"an input has the shape \(4, 3\), and the data set says \(1, 4, 3\)"),
        ("type", "inputs are float64"),
        ("nan", r"the input of example 3 has values that are not in 0\.\.1"),
        ("empty", "it has no examples"),
    ],
)
def test_examples_that_are_not_as_they_should_be_are_refused(
    place: DataLocation, log: Path, fault: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        decoded(Counted(log=str(log), variant=fault), place, "f")
    assert folders(place) == []


def test_a_broken_image_leaves_nothing_behind(place: DataLocation, log: Path) -> None:
    with pytest.raises(BrokenImage, match=r"x\.png"):
        decoded(Counted(log=str(log), variant="image"), place, "f")
    assert folders(place) == []


def test_a_cache_that_cannot_be_written_is_named(log: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = DataLocation(data=None, beside=None, cache=tmp_path / "file" / "cache")
    with pytest.raises(DataError, match=r"cannot be kept in .*file/cache.*choose another folder"):
        decoded(Counted(log=str(log)), place, "f")


def start(place: DataLocation, log: Path, **options: object) -> subprocess.Popen[str]:
    code = (
        "import sys; from pathlib import Path; from trainables.data.cache import decoded\n"
        "from trainables.dataset import DataLocation; from test_cache import Counted\n"
        f"place = DataLocation(None, None, Path({str(place.cache)!r}))\n"
        f"print(decoded(Counted(log={str(log)!r}, **{options!r}), place, 'f').inputs.sum())"
    )
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


def test_processes_at_the_same_time_decode_once(place: DataLocation, log: Path) -> None:
    processes = [start(place, log, slow=True) for _ in range(3)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert len({output for output, _ in outputs}) == 1
    assert times_decoded(log) == 1


def test_a_process_that_dies_leaves_nothing_that_is_used(place: DataLocation, log: Path) -> None:
    process = start(place, log, variant="die")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert folders(place) == []
    # what a process leaves that dies while it writes
    dataset = Counted(log=str(log))
    name = cache._folder_name(dataset, "f")
    half_made = place.cache / f".{name}.abc"
    half_made.mkdir()
    (half_made / "inputs.npy").write_bytes(b"\x93NUMPY")
    assert decoded(dataset, place, "f").inputs.shape == (6, 1, 4, 3)
    assert [path.name for path in folders(place)] == [name]
