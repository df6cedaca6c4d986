"""Results, caches and runs of W&B are never read as data, wherever they lie."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from orchestrator.plan.progress import SilentProgress
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep.preview import preview
from orchestrator.sweep.run import SweepRequest, run_sweep
from trainables.data.files import FOLDERS
from trainables.data.image_folders import ImageFolderSource
from trainables.data.own_folders import SkippedFiles, is_own, is_results
from trainables.data.videos.recordings import recordings
from trainables.datasets._table_columns import table_files

GRID = """\
name: birds
axes:
  dataset: [{name: image_folder, path: .}]
  model: [{name: sgan, channels: 4, hidden: 8, generator_channels: [8, 4], latent: 8}]
  optimizer: [adam]
protocol: {epochs: 1}
wandb: {mode: disabled}
"""


@pytest.fixture
def swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images, the grid, the results with images of their own, and the cache, all in one folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    for number in range(24):
        path = tmp_path / ("owl" if number % 2 else "crow") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.effect_noise((8, 8), 40 + number).save(path)
    (tmp_path / "grid.yaml").write_text(GRID)
    assert run_sweep(SweepRequest(grid=Path("grid.yaml"), engine="inline"), SilentProgress()).counts == {"completed": 1}
    assert list(Path("results/birds/pictures").glob("*.png"))
    return tmp_path


def counts() -> tuple[int, int]:
    message = preview(Path("grid.yaml")).counts
    return message.done, message.to_run


def test_results_that_lie_among_the_images_are_not_read(swept: Path) -> None:
    assert counts() == (1, 0)
    ours = swept / "results" / "birds"
    for place in ("more/2024/birds", "owl/birds", "owl/deeper/still/birds", "copied"):
        shutil.copytree(ours, swept / place)
    assert counts() == (1, 0)
    (swept / "results" / "plot.png").write_bytes((swept / "owl" / "1.png").read_bytes())  # beside them
    (swept / "elsewhere").symlink_to(ours)
    assert counts() == (1, 0)
    assert run_sweep(SweepRequest(grid=Path("grid.yaml"), engine="inline"), SilentProgress()).ran == 0


@pytest.mark.parametrize(
    "lost", [["journal.sqlite"], ["journal.sqlite", ".lock.json", "checksums.json"], ["*.parquet", "journal.*"]]
)
def test_results_that_are_half_lost_are_results_still(swept: Path, lost: list[str]) -> None:
    for pattern in lost:
        for path in (swept / "results" / "birds").glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert is_results(swept / "results" / "birds")
    assert ImageFolderSource(swept).classes == ("crow", "owl")


def test_results_beside_the_class_folders_in_one_folder(swept: Path) -> None:
    request = SweepRequest(grid=Path("grid.yaml"), engine="inline", results=Path())
    assert run_sweep(request, SilentProgress()).counts == {"completed": 1}
    assert (swept / "pictures").is_dir()
    message = preview(Path("grid.yaml"), results=Path()).counts
    assert (message.done, message.to_run) == (1, 0)


def test_runs_of_wandb_and_a_cache_of_before_are_no_classes(swept: Path) -> None:
    media = swept / "wandb" / "run-20240101_000000-abc" / "files" / "media"
    media.mkdir(parents=True)
    shutil.copy(swept / "owl" / "1.png", media)
    for tag in swept.rglob("CACHEDIR.TAG"):
        tag.unlink()
    assert is_own(swept / "cache") and counts() == (1, 0)


def test_what_only_looks_like_results_is_data(swept: Path) -> None:
    for name in ("weights", "pictures", "results", "wandb", "content"):
        (swept / "set" / name).mkdir(parents=True)
        shutil.copy(swept / "owl" / "1.png", swept / "set" / name)
    (swept / "set" / "wandb" / "checksums.json").write_text('{"1.png": "d41d8cd98f00b204e9800998ecf8427e"}')
    assert len(ImageFolderSource(swept / "set").classes) == 5


def test_tables_of_results_are_no_tables_of_images(swept: Path) -> None:
    rows = [path.read_bytes() for path in sorted((swept / "owl").iterdir())]
    pq.write_table(pa.table({"image": rows, "label": list(range(len(rows)))}), swept / "train.parquet")
    assert [file.name for file in table_files(swept, SkippedFiles())] == ["train.parquet"]
    shutil.copytree(swept / "results" / "birds", swept, dirs_exist_ok=True)
    assert [file.name for file in table_files(swept, SkippedFiles())] == ["train.parquet"]


def test_clips_leave_results_out_too(swept: Path) -> None:
    shutil.copytree(swept / "results" / "birds", swept / "owl" / "birds")
    assert [recording.path for recording in recordings(swept / "owl")] == [str(swept / "owl")]


def test_every_folder_of_results_is_known() -> None:
    paths = ResultsPaths(Path("r"))
    kept = (paths.weights("t").parent, paths.image("t").parent, paths.predictions)
    named = (*kept, paths.checkpoints, paths.wandb, paths.damaged, paths.monitor)
    assert {path.name for path in named} == FOLDERS
