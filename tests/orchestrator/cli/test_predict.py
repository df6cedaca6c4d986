"""`orch predict`: a user's own images through a trial's net, as its row has them; what cannot be read is told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import orchestrator
from orchestrator.cli import run as cli_run
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import SweepRequest, run_sweep

GRID = """\
name: own
axes:
  dataset:
    - {name: image_folder, path: scans, size: 8, positive: whole}
    - {name: image_folder, path: scans, size: [9, 12], resize: 6, grayscale: true, denoise: median, positive: whole}
    - {name: image_folder, path: scans, size: 8, denoise: autoencoder}
    - {name: image_csv, path: scans/tilt.csv, target: tilt, size: 8}
    - {name: moving_digits, length: 4, size: 16, examples: 80}
  model: [{name: mlp, hidden: 8}, frame_average]
  optimizer: {name: adam, lr: 0.01}
seeds: 1
protocol: {epochs: 2, batch_size: 8, keep_weights: best}
wandb: {mode: disabled}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With scans of several sizes, and a sweep that has learnt from them."""
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(0)
    rows = ["file,tilt"]
    for kind, level in (("defect", 90), ("whole", 160)):
        (folder / "scans" / kind).mkdir(parents=True)
        for number in range(24):
            size = (14, 17, 3) if number % 2 else (20, 12, 3)
            pixels = np.clip(random.normal(level, 60, size), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "scans" / kind / f"{number}.png")
            rows.append(f"{kind}/{number}.png,{level + number}")
    (folder / "scans" / "tilt.csv").write_text("\n".join(rows))
    (folder / "grid.yaml").write_text(GRID)
    request = SweepRequest(grid=folder / "grid.yaml", results=folder / "own", engine="inline")
    run_sweep(request, SilentProgress())
    return folder


@pytest.fixture(scope="module")
def trials(folder: Path) -> pd.DataFrame:
    return orchestrator.load(folder / "own").trials.query("status == 'completed'").reset_index()


def trial_of(trials: pd.DataFrame, *parts: str) -> str:
    """Of the data set whose label has all of these."""
    return str(next(row["trial_id"] for _, row in trials.iterrows() if all(part in row["dataset"] for part in parts)))


Printed = pytest.CaptureFixture[str]


def predict(capsys: Printed, folder: Path, trial: str, *arguments: str | Path) -> tuple[int, str, str]:
    code = cli_run(["predict", str(folder / "own"), trial, *map(str, arguments)])
    return code, *capsys.readouterr()


@pytest.mark.parametrize("parts", [("positive=whole", "size=8"), ("grayscale", "median")], ids=["plain", "changed"])
def test_accuracy_of_the_users_own_files_is_that_of_the_row(
    folder: Path, trials: pd.DataFrame, capsys: Printed, parts: tuple[str, str]
) -> None:
    trial = trial_of(trials, *parts)
    results = orchestrator.load(folder / "own")
    kept = results.predictions(trial).merge(results.examples, on=["split_id", "position"])
    files = [folder / "scans" / source for source in kept["source"]]
    code, out, err = predict(capsys, folder, trial[:9], *files, "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert [image["file"] for image in said["images"]] == list(map(str, files))
    right = [image["predicted"] == Path(image["file"]).parent.name for image in said["images"]]
    row = trials.set_index("trial_id").loc[trial]
    assert np.float32(np.mean(right)) == np.float32(row["test_accuracy"])
    assert said["trial_id"] == trial and said["classes"] == ["defect", "whole"]
    for image in said["images"]:
        assert sum(one["probability"] for one in image["likely"]) == pytest.approx(1)


def test_numbers_are_told_where_numbers_are_predicted(folder: Path, trials: pd.DataFrame, capsys: Printed) -> None:
    trial = trial_of(trials, "image_csv")
    results = orchestrator.load(folder / "own")
    kept = results.predictions(trial).merge(results.examples, on=["split_id", "position"])
    files = [folder / "scans" / source for source in kept["source"]]
    code, out, _ = predict(capsys, folder, trial, *files, "--json")
    said = [image["predicted"][0] for image in json.loads(out)["images"]]
    assert code == 0 and np.allclose(said, kept["predicted"], rtol=1e-5)


def test_a_threshold_decides_for_the_class_of_interest(folder: Path, trials: pd.DataFrame, capsys: Printed) -> None:
    trial = trial_of(trials, "grayscale")
    said = {}
    for threshold in ("0", "1"):
        code, out, _ = predict(capsys, folder, trial, folder / "scans", "--threshold", threshold, "--json")
        said[threshold] = {image["predicted"] for image in json.loads(out)["images"]}
        assert code == 0
    assert said == {"0": {"whole"}, "1": {"defect"}}
    other = trial_of(trials, "image_csv")
    assert predict(capsys, folder, other, folder / "scans", "--threshold", "0.5")[0] == 2


@pytest.fixture(scope="module")
def strange(folder: Path) -> Path:
    """A folder of images of every kind, and of files that are none."""
    made = folder / "strange"
    made.mkdir()
    grey = np.arange(140, dtype=np.uint8).reshape(10, 14)
    Image.fromarray(grey).save(made / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(made / "sixteen.png")
    Image.fromarray(np.dstack([grey] * 3 + [np.full_like(grey, 255)])).save(made / "opaque.png")
    frames = [Image.fromarray(grey), Image.fromarray(255 - grey)]
    frames[0].save(made / "moves.gif", save_all=True, append_images=frames[1:])
    Image.new("1", (20_000, 20_000)).save(made / "bomb.png")
    (made / "text.png").write_text("no image")
    (made / "empty.jpg").write_bytes(b"")
    (made / "cut.png").write_bytes((folder / "scans" / "whole" / "1.png").read_bytes()[:300])
    (made / "out.png").symlink_to(folder / "scans" / "whole" / "1.png")
    (made / ".hidden.png").write_text("not looked at")
    (made / "notes.txt").write_text("not looked at")
    os.mkfifo(made / "waits.png")
    return made


WORDS = {
    "bomb.png": "more than 178,956,970 pixels",
    "text.png": "it is in none of the formats",
    "empty.jpg": "it is empty",
    "cut.png": "truncated",
    "out.png": "it is a link that leads out of",
    "waits.png": "it is not a regular file",
    "nothing.png": "No such file or directory",
}


def test_each_file_that_cannot_be_read_is_named_and_the_others_go_on(
    folder: Path, trials: pd.DataFrame, capsys: Printed, strange: Path
) -> None:
    trial = trial_of(trials, "positive=whole", "size=8")
    code, out, err = predict(capsys, folder, trial, strange, folder / "nothing.png", "--json")
    said = json.loads(out)
    reasons = {Path(one["file"]).name: one["reason"] for one in said["unread"]}
    assert code == 2
    assert {Path(one["file"]).name for one in said["images"]} == {"grey.png", "sixteen.png", "opaque.png", "moves.gif"}
    assert reasons.keys() == WORDS.keys()
    assert {name for name, word in WORDS.items() if word not in reasons[name]} == set()
    assert err.count("\n") == len(WORDS) + 1 and "Traceback" not in err
    likely = [one["likely"] for one in said["images"]]
    assert likely[0] == likely[1] == likely[2] == likely[3], "the same pixels in four formats"


def test_the_table_has_a_line_for_each_file(folder: Path, trials: pd.DataFrame, capsys: Printed) -> None:
    trial = trial_of(trials, "positive=whole", "size=8")
    code, out, _ = predict(capsys, folder, trial, folder / "scans" / "defect", "--top", "1")
    lines = [line.split("\t") for line in out.splitlines()]
    assert code == 0 and lines[0] == ["file", "predicted", "probability"] and len(lines) == 25
    assert lines[1][0] == str(folder / "scans" / "defect" / "0.png")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (("moving_digits",), "it takes clips of 4 frames, and not single images"),
        (("autoencoder",), "which is not kept"),
    ],
)
def test_nets_of_other_inputs_say_what_they_take(
    folder: Path, trials: pd.DataFrame, capsys: Printed, parts: tuple[str, ...], said: str
) -> None:
    code, _, err = predict(capsys, folder, trial_of(trials, *parts), folder / "scans")
    assert code == 2 and said in err and err.count("\n") == 1


def test_data_that_is_not_here_is_asked_for_where_only_it_tells(
    folder: Path, trials: pd.DataFrame, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trial_of(trials, "image_csv")
    monkeypatch.setenv("ORCH_CACHE", str(folder / "elsewhere"))
    (folder / "scans").rename(folder / "moved")
    try:
        code, _, err = predict(capsys, folder, trial, folder / "moved" / "whole")
        assert code == 2 and "--data names the folder" in err and err.count("\n") == 1
        classifier = trial_of(trials, "positive=whole", "size=8")
        assert predict(capsys, folder, classifier, folder / "moved" / "whole")[0] == 0
        exported = ["export", str(folder / "own"), classifier, str(folder / "scans.onnx")]
        assert cli_run(exported) == 0
        assert "on random pixels, as its data set is not here" in capsys.readouterr().out
        assert cli_run([*exported, "--deployment", "prune", "--force"]) == 2
        assert "--data names the folder" in capsys.readouterr().err
    finally:
        (folder / "moved").rename(folder / "scans")


def test_clips_and_numbers_are_exported_with_what_their_data_tells(
    folder: Path, trials: pd.DataFrame, capsys: Printed
) -> None:
    for kind, shape in (("moving_digits", "4, 1, 16, 16"), ("image_csv", "3, 8, 8")):
        file = folder / f"{kind}.pt2"
        assert cli_run(["export", str(folder / "own"), trial_of(trials, kind), str(file)]) == 0
        assert f"(batch, {shape})" in (folder / f"{kind}.README.md").read_text()
    code = (folder / "moving_digits.README.md").read_text().partition("```python\n")[2].partition("```")[0]
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert ran.stdout.strip()


@pytest.mark.parametrize("trial", ["zzzz", ""])
def test_a_trial_that_is_not_there_is_told(folder: Path, capsys: Printed, trial: str) -> None:
    code, _, err = predict(capsys, folder, trial, folder / "scans")
    assert code == 2 and "Traceback" not in err and "trial" in err
