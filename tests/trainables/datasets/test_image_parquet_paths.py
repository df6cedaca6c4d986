"""Parquet files whose rows hold paths in place of images: read below one folder, and nowhere else."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.trainables.datasets.parquet_files import image, split_of
from trainables.dataset import DataLocation
from trainables.datasets.image_parquet import ImageParquet
from trainables.errors import BrokenImage, UnfitOption


def with_paths(data: Path, paths: list[str | None], encoded: list[bytes | None] | None = None) -> None:
    images = pa.array(
        [{"bytes": given, "path": path} for path, given in zip(paths, encoded or [None] * len(paths), strict=True)],
        pa.struct([("bytes", pa.binary() if encoded else pa.null()), ("path", pa.string())]),
    )
    (data / "hub").mkdir(exist_ok=True)
    pq.write_table(pa.table({"image": images, "label": [i % 2 for i in range(len(paths))]}), data / "hub" / "t.parquet")


@pytest.fixture
def files(data: Path) -> Path:
    for number in range(3):
        path = data / "hub" / "images" / "a" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image(number))
    (data / "secret.png").write_bytes(image(99))
    return data / "hub" / "images"


def test_rows_that_hold_paths_say_so_and_are_read_below_a_folder(place: DataLocation, data: Path, files: Path) -> None:
    with_paths(data, ["a/0.png", "a\\1.png", "./a/2.png", None], [None, None, None, image(7)])
    message = r"3 of 4 rows of .*t\.parquet hold a path in place of an image, row 0 a/0\.png; give .* `folder: images`"
    with pytest.raises(UnfitOption, match=message) as unfit:
        ImageParquet(path="hub").info(place)
    assert unfit.value.option == "folder"
    for folder in ("images", "hub/images", str(files)):
        assert split_of(place, path="hub", folder=folder) == ([0, 1, 2, 7], [])
    dataset = ImageParquet(path="hub", folder="images")
    before = dataset.fingerprint(place)
    with_paths(data, [None] * 4, [image(value) for value in (0, 1, 2, 7)])
    assert ImageParquet(path="hub").fingerprint(place) == before  # the images count, and not how they are packed
    (files / "a" / "0.png").write_bytes(image(5))
    with_paths(data, ["a/0.png", "a/1.png", "a/2.png", None], [None, None, None, image(7)])
    assert dataset.fingerprint(place) != before


def test_a_column_of_texts_holds_paths(place: DataLocation, data: Path, files: Path) -> None:
    pq.write_table(pa.table({"image": ["a/0.png", str(files / "a/2.png")], "label": ["x", "y"]}), data / "t.parquet")
    assert split_of(place, path="t.parquet", folder=str(files)) == ([0, 2], [])
    with pytest.raises(UnfitOption, match="2 of 2 rows"):
        ImageParquet(path="t.parquet").info(place)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../../secret.png", "it leads out of"),
        ("/etc/passwd", "it leads out of"),
        ("..\\..\\secret.png", "it leads out of"),
        ("link.png", "it leads out of"),
        ("up/secret.png", "it leads out of"),
        ("a/gone.png", "no such file below"),
        ("a", "it is not a regular file"),
        ("pipe.png", "it is not a regular file"),
        ("a/0.png\0", "null"),
        ("a" * 5000, "name too long"),
        ("self.png", "(it is no|no such|[Ll]oop|links)"),
    ],
)
def test_a_path_that_leads_out_or_to_no_file_is_refused(
    place: DataLocation, data: Path, files: Path, name: str, why: str
) -> None:
    (files / "link.png").symlink_to(data / "secret.png")
    (files / "up").symlink_to(data)
    (files / "self.png").symlink_to("self.png")
    os.mkfifo(files / "pipe.png")
    with_paths(data, ["a/0.png", name, "a/gone.png"])
    with pytest.raises(BrokenImage, match=f"(?i){why}.*also broken: .*t.parquet#2" if name != "a/gone.png" else why):
        ImageParquet.from_parameters({"path": "hub", "folder": "images", "size": 4, "channels": 1}).load(place)


def test_a_folder_of_paths_that_is_not_there_is_reported(place: DataLocation, data: Path, files: Path) -> None:
    with_paths(data, ["a/0.png", "a/1.png"])
    with pytest.raises(UnfitOption, match=r"the folder gone is not there; it was looked for beside the grid"):
        ImageParquet(path="hub", folder="gone").info(place)
