"""`orch explain`: a trial's kept gallery, maps of a user's own images, and what is said of all that cannot be explained."""

import json
import os
import shutil
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator.cli import run as cli_run
from orchestrator.plan.progress import SilentProgress
from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from orchestrator.store.reading import results_at
from orchestrator.sweep.run import SweepRequest, run_sweep
from trainables.stages.explained_sheet import read_sheet

GRID = """\
name: seen
axes:
  dataset:
    - {name: image_folder, path: scans, size: 8}
    - {name: image_csv, path: scans/tilt.csv, target: tilt, size: 8}
    - {name: moving_digits, length: 4, size: 16, examples: 80}
  model: [{name: mlp, hidden: 8}, {name: cnn, channels: [4, 4]}, {name: lstm, hidden: 8}]
  optimizer: {name: adam, lr: 0.01}
  deployment: [none, {name: int8, kind: dynamic, runtime: torch}]
measure: [{name: explain, pictures: 6}]
seeds: 1
protocol: {epochs: 2, batch_size: 8, keep_weights: best}
wandb: {mode: disabled}
"""
Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With scans, and a sweep that has learnt from them and was explained."""
    folder = tmp_path_factory.mktemp("seen")
    random = np.random.default_rng(0)
    rows = ["file,tilt"]
    for kind, level in (("defect", 90), ("whole", 160)):
        (folder / "scans" / kind).mkdir(parents=True)
        for number in range(24):
            pixels = np.clip(random.normal(level, 60, (14, 17, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "scans" / kind / f"{number}.png")
            rows.append(f"{kind}/{number}.png,{level + number}")
    (folder / "scans" / "tilt.csv").write_text("\n".join(rows))
    (folder / "grid.yaml").write_text(GRID)
    run_sweep(SweepRequest(grid=folder / "grid.yaml", results=folder / "seen", engine="inline"), SilentProgress())
    return folder


@pytest.fixture(scope="module")
def trials(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "seen" / "trials.parquet").query("status == 'completed'")


def trial_of(trials: pd.DataFrame, dataset: str, model: str, deployment: str = "none") -> str:
    found = trials[
        trials["dataset"].str.startswith(dataset)
        & trials["model"].str.startswith(model)
        & trials["deployment"].str.startswith(deployment)
    ]
    return str(found["trial_id"].iloc[0])


def kept_of(folder: Path, trial: str) -> Path:
    measured = pd.read_parquet(folder / "seen" / "measurements.parquet").query("status == 'completed'")
    return folder / "seen" / "pictures" / f"{measured.set_index('parent_id')['trial_id'][trial]}.png"


@contextmanager
def gone(path: Path) -> Iterator[None]:
    """Within it nothing lies there."""
    path.rename(path.with_name("moved"))
    try:
        yield
    finally:
        path.with_name("moved").rename(path)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing of the data set lies, and pictures are written."""
    monkeypatch.chdir(tmp_path)


def explain(capsys: Printed, folder: Path, trial: str, *arguments: str | Path) -> tuple[int, str, str]:
    code = cli_run(["explain", str(folder / "seen"), trial, *map(str, arguments)])
    return code, *capsys.readouterr()


def test_the_gallery_that_was_kept_is_shown_and_written(folder: Path, trials: pd.DataFrame, capsys: Printed) -> None:
    trial = trial_of(trials, "image_folder", "cnn")
    code, out, err = explain(capsys, folder, trial[:10])
    assert (code, err) == (0, "")
    written = Path(f"explain-{trial}.png")
    assert written.read_bytes() == kept_of(folder, trial).read_bytes()
    sheet = read_sheet(written.read_bytes())
    assert sheet is not None and len(sheet.contents.methods) == 5
    assert out.splitlines()[: len(sheet.contents.rows)] == [row.text for row in sheet.contents.rows]
    assert "\x1b" not in out and out.splitlines()[-1] == str(written)
    code, out, _ = explain(capsys, folder, trial, "--json", "-o", "other.png")
    told = json.loads(out)
    assert code == 0 and told["trial_id"] == trial and told["measurement_id"] == kept_of(folder, trial).stem
    assert len(told["rows"]) == len(sheet.contents.rows) and told["output"] == "other.png"


def test_a_users_own_images_are_explained_without_the_data_set(
    folder: Path, trials: pd.DataFrame, capsys: Printed, tmp_path: Path
) -> None:
    trial = trial_of(trials, "image_folder", "cnn")
    mine = [folder / "scans" / "whole" / "1.png", folder / "scans" / "defect" / "2.png"]
    copies = [tmp_path / file.name for file in mine]
    for file, copy in zip(mine, copies, strict=True):
        copy.write_bytes(file.read_bytes())
    with gone(folder / "scans"):
        code, out, err = explain(capsys, folder, trial, *copies, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    code, out, _ = explain(capsys, folder, trial, *mine, "--json")
    beside = json.loads(out)
    assert code == 0 and beside["baseline"] == "the mean of the training pictures"
    said = json.loads(_predicted(capsys, folder, trial, *mine))
    assert [one["predicted"] for one in beside["images"]] == [one["predicted"] for one in said["images"]]
    assert [one["likely"] for one in beside["images"]] == [one["likely"] for one in said["images"]]
    for one in beside["images"]:
        assert len(one["maps"]) == 5
        for of in one["maps"]:
            assert of["worth_looking_at"] == (of["worse_random_maps"] == 19)
            assert 0 < of["deletion"] < 1 and 0 < of["insertion"] < 1
    assert told["baseline"].startswith("the mean colour of the training pictures, as the data set is not")
    lacking = {of["method"]: of.get("reason") for of in told["images"][0]["maps"]}
    assert "training pictures" in lacking.pop("expected_gradients") and set(lacking.values()) == {None}
    sheet = read_sheet(Path(f"explain-{trial}.png").read_bytes())
    assert sheet is not None and [row.about[-5:] for row in sheet.contents.rows] == ["1.png", "2.png"]
    assert all(" / " in below for row in sheet.contents.rows for below in row.below)


def _predicted(capsys: Printed, folder: Path, trial: str, *files: Path) -> str:
    assert cli_run(["predict", str(folder / "seen"), trial, *map(str, files), "--json"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "deployment", "lacking"),
    [
        ("mlp", "none", {"grad_cam"}),
        ("lstm", "none", {"grad_cam"}),
        ("mlp", "int8", {"grad_cam", "saliency", "integrated_gradients", "expected_gradients"}),
    ],
)
def test_methods_that_a_net_cannot_have_are_told_and_the_others_shown(
    folder: Path, trials: pd.DataFrame, capsys: Printed, model: str, deployment: str, lacking: set[str]
) -> None:
    trial = trial_of(trials, "image_folder", model, deployment)
    code, out, err = explain(capsys, folder, trial, folder / "scans" / "whole" / "1.png")
    assert (code, err) == (0, "")
    assert {line.split()[1].rstrip(":") for line in out.splitlines() if line.startswith("no ")} == lacking
    assert "occlusion\t" in out and "random\t" in out
    code, out, _ = explain(capsys, folder, trial, folder / "scans" / "whole" / "1.png", "--methods", "occlusion")
    assert code == 0 and "saliency" not in out


def test_a_gallery_that_was_not_kept_is_made_where_the_data_are(
    folder: Path, trials: pd.DataFrame, capsys: Printed, tmp_path: Path
) -> None:
    trial = trial_of(trials, "image_folder", "cnn")
    copied = tmp_path / "copy"
    shutil.copytree(folder / "seen", copied / "seen")
    kept_of(copied, trial).unlink()
    code, out, err = explain(capsys, copied, trial)
    assert (code, err) == (0, "") and "made now" in out
    assert Path(f"explain-{trial}.png").read_bytes() == kept_of(folder, trial).read_bytes()
    code, out, err = explain(capsys, copied, trial, "--methods", "occlusion,saliency")
    sheet = read_sheet(Path(f"explain-{trial}.png").read_bytes())
    assert code == 0 and sheet is not None and sheet.contents.methods == ("occlusion", "saliency")
    with gone(folder / "scans"):
        code, _, err = explain(capsys, copied, trial)
    assert code == 2 and "the data set image_folder is needed here" in err and "Traceback" not in err


WORDS = {
    "text.png": "it is in none of the formats",
    "empty.png": "it is empty",
    "bomb.png": "more than 178,956,970 pixels",
    "waits.png": "it is not a regular file",
    "nothing.png": "No such file or directory",
}


def test_files_that_cannot_be_read_are_named_and_the_others_go_on(
    folder: Path, trials: pd.DataFrame, capsys: Printed, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    os.mkfifo(tmp_path / "waits.png")
    trial = trial_of(trials, "image_folder", "mlp")
    code, out, err = explain(
        capsys, folder, trial, *WORDS, folder / "scans" / "whole" / "1.png", "--methods", "saliency"
    )
    assert code == 2 and "saliency\t" in out
    lines = err.splitlines()
    assert all(
        line.startswith(f"{name}: ") and why in line for line, (name, why) in zip(lines, WORDS.items(), strict=False)
    )
    assert lines[-1] == "5 of 6 could not be read" and len(lines) == 6
    Path(f"explain-{trial}.png").unlink()
    code, out, err = explain(capsys, folder, trial, "text.png", "--json")
    assert code == 2 and json.loads(out)["output"] is None and not Path(f"explain-{trial}.png").exists()


def test_what_cannot_be_explained_is_said_on_one_line(
    folder: Path, trials: pd.DataFrame, capsys: Printed, tmp_path: Path
) -> None:
    trial = trial_of(trials, "image_folder", "mlp")
    mine = folder / "scans" / "whole" / "1.png"
    Path("taken.png").write_bytes(mine.read_bytes())
    Path("linked.png").symlink_to(mine)
    regression, clips = trial_of(trials, "image_csv", "mlp"), trial_of(trials, "moving", "lstm")
    cases: list[tuple[str, tuple[str | Path, ...], str]] = [
        (trial, (mine, "--methods", "grad_cam,oclusion"), "unknown method 'oclusion'; did you mean 'occlusion'?"),
        (trial, (mine, "--methods", "xyz"), "unknown method 'xyz'; there are grad_cam, saliency"),
        (trial, (mine, "--methods", " , "), "--methods names none"),
        (trial, (folder / "scans",), "is a folder; name the images in it"),
        (trial, (mine,) * 51, "51 images are named, and at most 50"),
        (trial, (mine, "-o", "nowhere/x.png"), "there is no folder nowhere"),
        (trial, (mine, "-o", "taken.png"), "taken.png is there and was not written by orch explain"),
        (trial, (mine, "-o", "linked.png"), "linked.png is there and was not written by orch explain"),
        (trial, (mine, "--data", "not-there"), "the data folder not-there (--data) does not exist"),
        (regression, (mine,), "is regression; maps are of the answers of classifiers"),
        (regression, (), "is regression; maps are of the answers of classifiers"),
        (clips, (mine,), "takes clips of 4 frames, and not single images"),
        ("zzzz", (mine,), "no trial's id begins with 'zzzz'"),
    ]
    for named, arguments, expected in cases:
        code, out, err = explain(capsys, folder, named, *arguments)
        assert code == 2, (arguments, out, err)
        assert expected in err and len(err.splitlines()) == 1, err
    assert Path("taken.png").read_bytes() == mine.read_bytes() and Path("linked.png").is_symlink()


def test_a_trial_without_weights_has_its_gallery_and_nothing_else(
    folder: Path, trials: pd.DataFrame, capsys: Printed, tmp_path: Path
) -> None:
    trial = trial_of(trials, "image_folder", "mlp")
    shutil.copytree(folder / "seen", tmp_path / "copy" / "seen")
    (tmp_path / "copy" / "seen" / "weights" / f"{trial}.safetensors").unlink()
    assert explain(capsys, tmp_path / "copy", trial)[0] == 0
    code, _, err = explain(capsys, tmp_path / "copy", trial, folder / "scans" / "whole" / "1.png")
    assert code == 2 and f"no net of trial {trial}" in err and len(err.splitlines()) == 1
    kept = kept_of(tmp_path / "copy", trial)
    kept.write_bytes(kept.read_bytes()[:-40])
    code, _, err = explain(capsys, tmp_path / "copy", trial)
    assert code == 4 and "is not as its trial has left it" in err and len(err.splitlines()) == 1


def test_galleries_are_sealed_cleaned_and_on_the_page(folder: Path, trials: pd.DataFrame, tmp_path: Path) -> None:
    shutil.copytree(folder / "seen", tmp_path / "copy" / "seen")
    results = tmp_path / "copy" / "seen"
    trial = trial_of(trials, "image_folder", "cnn")
    kept = kept_of(tmp_path / "copy", trial)
    assert cli_run(["verify", str(results)]) == 0
    page = read_page(results_at(results))
    (section,) = [one for one in page.measured if one.name == "explanations"]
    assert section.images is not None
    shown = {one.trial_id: one for one in section.images.shown}
    assert set(shown) == {trial_of(trials, "image_folder", model) for model in ("mlp", "cnn", "lstm")}
    sheet = read_sheet(kept.read_bytes())
    assert sheet is not None
    assert all(row.text in shown[trial].text for row in sheet.contents.rows)
    text = render(page)
    assert text.count('class="sheets"') == 1 and shown[trial].image in text
    assert text.count(shown[trial].image) == 1, "once, and not among what the script reads"
    one = Image.open(BytesIO(b64decode(shown[trial].image.partition(",")[2])))
    assert one.size == sheet.image.size and not getattr(one, "text", {})
    kept.write_bytes(b"no picture")
    assert cli_run(["verify", str(results)]) == 4
    (section,) = [one for one in read_page(results_at(results)).measured if one.name == "explanations"]
    assert section.images is not None and trial not in {one.trial_id for one in section.images.shown}
