"""`orch monitor`: a net that is watched on pictures as they come, from wherever they come, whatever they are."""

import json
import os
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

import orchestrator
from orchestrator.cli import monitor as cli_monitor
from orchestrator.cli import run as cli_run
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import SweepRequest, run_sweep
from trainables.data.shifts.corruptions import corrupted
from trainables.dataset import DataLocation
from trainables.datasets.digits import Digits
from trainables.measurements import _drift

GRID = """\
name: own
axes:
  dataset:
    - {name: image_folder, path: digits, size: 8, channels: 1}
    - {name: image_csv, path: digits/tilt.csv, target: tilt, size: 8}
    - {name: moving_digits, length: 4, size: 16, examples: 80}
  model: [{name: mlp, hidden: 32}, frame_average]
  optimizer: {name: adam, lr: 0.01}
seeds: 1
protocol: {epochs: 6, batch_size: 32, keep_weights: best, splits: {validation: 0.4, test: 0.1}}
wandb: {mode: disabled}
"""
Pixels = np.ndarray[Any, np.dtype[np.uint8]]
HELD = 600
"""Digits that no net is trained on."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With digits as files, nets that have learnt from some of them, and others that come later."""
    folder = tmp_path_factory.mktemp("own")
    images, targets = digits()
    rows = ["file,tilt"]
    for number in range(len(images) - HELD):
        file = folder / "digits" / str(targets[number]) / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number, 0]).save(file)
        if number % 10 == 0:
            rows.append(f"{file.parent.name}/{file.name},{targets[number]}")
    (folder / "digits" / "tilt.csv").write_text("\n".join(rows))
    (folder / "grid.yaml").write_text(GRID)
    run_sweep(SweepRequest(grid=folder / "grid.yaml", results=folder / "own", engine="inline"), SilentProgress())
    return folder


def digits() -> tuple[Pixels, np.ndarray[Any, np.dtype[np.int64]]]:
    """In an order of their own."""
    examples = Digits().load(DataLocation(data=None, beside=None, cache=Path("nowhere")))
    order = np.random.default_rng(3).permutation(len(examples.targets))
    return np.asarray(examples.inputs, np.uint8)[order], examples.targets.astype(np.int64)[order]


def later() -> tuple[Pixels, list[int]]:
    images, targets = digits()
    return images[-HELD:], targets[-HELD:].tolist()


def png(image: Pixels) -> bytes:
    stream = BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(stream, "PNG")
    return stream.getvalue()


def table(path: Path, images: Pixels, labels: list[int] | None = None) -> Path:
    columns: dict[str, list[Any]] = {"image": [png(image) for image in images]}
    pq.write_table(pa.table(columns if labels is None else {**columns, "label": labels}), path)
    return path


def files(folder: Path, images: Pixels) -> Path:
    folder.mkdir()
    for number, image in enumerate(images):
        (folder / f"{number:04}.png").write_bytes(png(image))
    return folder


@pytest.fixture(scope="module")
def trials(folder: Path) -> pd.DataFrame:
    return orchestrator.load(folder / "own").trials.query("status == 'completed'").reset_index()


def trial_of(trials: pd.DataFrame, part: str) -> str:
    return str(next(row["trial_id"] for _, row in trials.iterrows() if part in row["dataset"]))


@pytest.fixture(scope="module")
def trial(trials: pd.DataFrame) -> str:
    return trial_of(trials, "image_folder")


Printed = pytest.CaptureFixture[str]


def monitor(capsys: Printed, results: Path, *arguments: str | Path) -> tuple[int, str, str]:
    code = cli_run(["monitor", *map(str, (results, *arguments))])
    return code, *capsys.readouterr()


def kept(results: Path, trial: str) -> pd.DataFrame:
    """The rows of the latest run."""
    whole = pd.read_parquet(results / "monitor" / f"{trial}.parquet")
    return whole[whole["started_at"] == whole["started_at"].max()].reset_index(drop=True)


# What is told and kept.


def test_pictures_like_those_of_training_are_no_alarm_and_each_window_is_a_row(
    folder: Path, trial: str, capsys: Printed, tmp_path: Path
) -> None:
    images, _ = later()
    code, out, err = monitor(
        capsys, folder / "own", trial[:9], files(tmp_path / "camera", images), "--window", "100", "--alpha", "0.001"
    )
    rows = kept(folder / "own", trial)
    assert (code, err) == (0, "")
    assert "6 windows of 100 pictures, no alarm" in out and "ALARM" not in out
    assert rows["window"].tolist() == [1, 2, 3, 4, 5, 6] and not rows["alarm"].any()
    assert rows[["first", "last"]].to_numpy().tolist() == [[start, start + 99] for start in range(1, 600, 100)]
    assert rows["first_image"][1] == str(tmp_path / "camera" / "0100.png")
    assert (rows["n"] == 100).all() and (rows["labelled"] == 0).all() and rows["accuracy"].isna().all()
    assert (rows["reference_n"] == rows["reference_n"][0]).all() and rows["reference_n"][0] > 400
    assert (rows["estimated_accuracy"] - rows["reference_accuracy"]).abs().max() < 0.06
    assert rows["autocorrelation"].abs().max() < 0.3


def test_a_shift_is_an_alarm_with_what_it_costs_by_labels_and_without(
    folder: Path, trial: str, capsys: Printed, tmp_path: Path
) -> None:
    images, labels = later()
    turned = np.concatenate([images[:200], corrupted(images[200:400], "rotate", 5, range(200))])
    code, out, _ = monitor(
        capsys, folder / "own", trial, table(tmp_path / "t.parquet", turned, labels[:400]), "--window", "100"
    )
    rows = kept(folder / "own", trial)
    assert code == 1 and rows["alarm"].tolist()[2:] == [True, True]
    assert (rows["labelled"] == 100).all() and rows["accuracy"][:2].min() > 0.9 and rows["accuracy"][2:].max() < 0.7
    assert (rows["estimated_accuracy"][2:] < rows["reference_accuracy"][2:] - 0.05).all()
    assert rows["harmless"].tolist()[2:] == [False, False]
    assert out.count("ALARM") == 2 and "by their labels" in out
    without = table(tmp_path / "without.parquet", turned)
    _, out, _ = monitor(capsys, folder / "own", trial, without, "--window", "100")
    assert "estimated, by the difference of confidences" in out
    assert kept(folder / "own", trial)["estimated_accuracy"].tolist() == rows["estimated_accuracy"].tolist()


def test_accuracy_by_labels_is_that_of_orch_predict(folder: Path, trial: str, capsys: Printed, tmp_path: Path) -> None:
    images, labels = later()
    camera = files(tmp_path / "camera", images[:100])
    path = table(tmp_path / "t.parquet", images[:100], labels[:100])
    monitor(capsys, folder / "own", trial, path, "--window", "100")
    assert cli_run(["predict", str(folder / "own"), trial, str(camera), "--json"]) == 0
    said = [image["predicted"] for image in json.loads(capsys.readouterr().out)["images"]]
    right = np.mean([one == str(label) for one, label in zip(said, labels[:100], strict=True)])
    assert kept(folder / "own", trial)["accuracy"].tolist() == [pytest.approx(right)]


def test_several_detectors_share_alpha_and_each_has_its_row(
    folder: Path, trial: str, capsys: Printed, tmp_path: Path
) -> None:
    images, labels = later()
    few = [label if label < 5 else None for label in labels]
    path = table(tmp_path / "t.parquet", images[:200], few[:200])  # type: ignore[arg-type]  # some are missing
    options = [word for name in ("mmd", "bbsd", "confidence", "labels") for word in ("--detector", name)]
    _, out, _ = monitor(capsys, folder / "own", trial, path, "--window", "100", *options)
    rows = kept(folder / "own", trial)
    assert rows["detector"].tolist() == ["mmd", "bbsd", "confidence", "labels"] * 2
    assert (rows["alpha"] == 0.0125).all()
    without = rows[rows["detector"] == "labels"]
    assert (
        without["statistic"].isna().all()
        and without["reason"].str.fullmatch(r"\d+ of the 100 pictures have no label").all()
    )
    assert all(f"p {name}" in out for name in ("mmd", "bbsd", "confidence", "labels"))


def test_every_detector_that_there_is_can_be_asked_for() -> None:
    assert set(cli_monitor.DETECTORS) == set(_drift.DETECTORS)


def test_json_is_an_object_a_line_and_says_the_same(folder: Path, trial: str, capsys: Printed, tmp_path: Path) -> None:
    images, labels = later()
    path = table(tmp_path / "t.parquet", images[:250], labels[:250])
    code, out, _ = monitor(capsys, folder / "own", trial, path, "--window", "100", "--json")
    *windows, whole = map(json.loads, out.splitlines())
    rows = kept(folder / "own", trial)
    assert [one["statistic"] for one in windows] == rows["statistic"].tolist()
    assert {one["trial_id"] for one in windows} == {trial}
    assert (whole["windows"], whole["not_judged"], whole["exit_code"], whole["pictures"]) == (2, 50, code, 250)


def test_runs_add_to_each_other(folder: Path, trial: str, capsys: Printed, tmp_path: Path) -> None:
    path = table(tmp_path / "t.parquet", later()[0][:60])
    before = len(pd.read_parquet(folder / "own" / "monitor")) if (folder / "own" / "monitor").exists() else 0
    for _ in range(2):
        monitor(capsys, folder / "own", trial, path, "--window", "50")
    assert len(pd.read_parquet(folder / "own" / "monitor")) == before + 2
    assert cli_run(["verify", str(folder / "own")]) == 0


def test_pictures_of_other_sizes_and_colours_are_brought_to_the_nets_and_that_is_told(
    folder: Path, trial: str, capsys: Printed, tmp_path: Path
) -> None:
    images, _ = later()
    larger = images[:100].repeat(4, axis=2).repeat(4, axis=3)
    pictures = [
        *larger[:80],
        *(image[:, :, :16] for image in larger[80:90]),
        *(np.repeat(image, 3, 0) for image in larger[90:]),
    ]
    pq.write_table(pa.table({"image": [png(image) for image in pictures]}), tmp_path / "t.parquet")
    _, out, _ = monitor(capsys, folder / "own", trial, tmp_path / "t.parquet", "--window", "100")
    assert "10 pictures have other proportions than the net's input, and were squeezed to it" in out
    assert "10 pictures are in colour where the net takes grey" in out
    rows = kept(folder / "own", trial)
    assert rows[["other_aspect", "other_channels"]].to_numpy().tolist() == [[10, 10]]


def test_frames_are_told_as_such_and_one_picture_again_and_again_too(
    folder: Path, trial: str, capsys: Printed, tmp_path: Path
) -> None:
    images, _ = later()
    frames = table(tmp_path / "frames.parquet", images[:40].repeat(10, axis=0))
    _, out, _ = monitor(capsys, folder / "own", trial, frames, "--window", "100")
    assert "neighbours are alike (autocorrelation 0.8" in out and "360 of 400 pictures are duplicates" in out
    same = table(tmp_path / "same.parquet", images[:1].repeat(100, axis=0))
    code, out, _ = monitor(capsys, folder / "own", trial, same, "--window", "50")
    assert code == 1 and "everything is a duplicate: it is one picture again and again" in out
    rows = kept(folder / "own", trial)
    assert rows["distinct"].tolist() == [1, 1] and rows["harmless"].tolist() == [False, False]
    assert out.count("one picture again and again") == 3 and "harmless" not in out and "cost" not in out


# As they come.


def test_paths_on_standard_input_are_judged_as_they_come(folder: Path, trial: str, tmp_path: Path) -> None:
    images, _ = later()
    camera = files(tmp_path / "camera", images[:110])
    names = sorted(str(path) for path in camera.iterdir())
    command = [sys.executable, "-m", "orchestrator", "monitor", str(folder / "own"), trial, "-", "--window", "50"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    ) as running:
        assert running.stdin is not None and running.stdout is not None
        running.stdin.write("\n".join([*names[:20], "", str(tmp_path / "gone.png"), *names[20:50]]) + "\n")
        running.stdin.flush()
        lines = [running.stdout.readline() for _ in range(3)]
        assert "1-51" in lines[2], "told before the pipe is closed"
        out, err = running.communicate("\n".join(names[50:]))
    assert running.returncode in (0, 1) and "gone.png: No such file or directory" in err
    assert "10 pictures after the last window" in out and "1 of 111 pictures could not be read" in out
    rows = kept(folder / "own", trial)
    assert rows[["first", "last", "n", "unreadable"]].to_numpy().tolist() == [[1, 51, 50, 1], [52, 101, 50, 0]]


def piped(folder: Path, trial: str, given: bytes, window: str = "10") -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "orchestrator", "monitor", str(folder / "own"), trial, "-", "--window", window]
    return subprocess.run(command, input=given, capture_output=True, check=False, cwd=folder)


def test_lines_that_are_no_paths_are_told_and_left_out(folder: Path, trial: str) -> None:
    done = piped(folder, trial, b"a\0b.png\n" + b"x" * 100_000 + b"\n\xff\xfe.png\n/dev/zero\n.\n\r\n")
    err = done.stderr.decode()
    assert done.returncode == 2 and b"nothing was judged: no picture could be read" in done.stdout
    assert "no file can have such a name" in err and "the line is longer than any path" in err
    assert "not a regular file" in err and "Is a directory" in err and "Traceback" not in err
    assert err.count("\n") == 5


def test_standard_input_that_is_closed_or_empty_is_told(folder: Path, trial: str) -> None:
    empty = piped(folder, trial, b"")
    assert empty.returncode == 2 and b"nothing was judged: no picture came" in empty.stdout
    command = f"{sys.executable} -m orchestrator monitor {folder / 'own'} {trial} - <&-"
    closed = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert closed.returncode == 2 and "no picture came" in closed.stdout and closed.stderr == ""


def test_a_program_without_standard_input_is_told(
    folder: Path, trial: str, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    code, _, err = monitor(capsys, folder / "own", trial, "-")
    assert code == 2 and "standard input is closed" in err and err.count("\n") == 1


# What cannot be read or judged.


def test_what_cannot_be_read_is_named_and_left_out_and_the_verdict_stands(
    folder: Path, trial: str, capsys: Printed, tmp_path: Path
) -> None:
    images, _ = later()
    camera = files(tmp_path / "camera", images[:110])
    (camera / "0020.png").write_text("no image")
    (camera / "0030.png").write_bytes(b"")
    (camera / "0040.png").unlink()
    os.mkfifo(camera / "0040.png")
    (camera / "0050\n\x1b[31m.png").write_text("no image")
    (camera / "0060.png").write_bytes((camera / "0061.png").read_bytes()[:60])
    (camera / "out.png").symlink_to("/etc/passwd")
    code, out, err = monitor(capsys, folder / "own", trial, camera, "--window", "100", "--alpha", "0.001")
    assert code == 0 and "6 of 112 pictures could not be read" in out
    assert err.count("\n") == 6 and "\x1b" not in err and "it is a link that leads out" in err
    assert kept(folder / "own", trial)["unreadable"].tolist() == [5]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "no images are in this folder"),
        (lambda path: path.write_text("text"), "is neither a folder nor a Parquet file"),
        (lambda path: path.write_bytes(b"PAR1 and no more"), "cannot read the Parquet file"),
        (os.mkfifo, "it is not a regular file"),
        (lambda path: None, "No such file or directory"),
        (lambda path: pq.write_table(pa.table({"photo": [b"x"]}), path), "--image names the column of images"),
        (lambda path: pq.write_table(pa.table({"image": pa.array([], pa.binary())}), path), "no picture came"),
        (lambda path: table(path, later()[0][:7]), "7 pictures came, and a window has 50; --window 7 judges them"),
        (lambda path: table(path, later()[0][:1].repeat(9, axis=0)), "everything is a duplicate"),
    ],
)
def test_what_holds_nothing_to_judge_is_told_in_a_line(
    folder: Path, trial: str, capsys: Printed, tmp_path: Path, make: Any, said: str
) -> None:
    make(tmp_path / "given")
    code, out, err = monitor(capsys, folder / "own", trial, tmp_path / "given", "--window", "50")
    assert code == 2 and said in out + err and "Traceback" not in err and err.count("\n") <= 1


@pytest.mark.parametrize(
    ("part", "options", "said"),
    [
        ("image_csv", [], "is regression; outputs of classifiers are compared"),
        ("moving_digits", [], "it takes clips of 4 frames, and not single images"),
        ("image_folder", ["--window", "400"], "which calibrate windows of"),
        ("image_folder", ["--detector", "labels"], "the pictures have none"),
        ("image_folder", ["--label", "kind"], "--image and --label name columns of a Parquet file"),
        ("image_folder", ["--alpha", "0.00001"], "--alpha"),
        ("image_folder", ["--window", "1"], "--window"),
    ],
)
def test_what_cannot_be_watched_is_a_line(
    folder: Path, trials: pd.DataFrame, capsys: Printed, part: str, options: list[str], said: str
) -> None:
    code, _, err = monitor(capsys, folder / "own", trial_of(trials, part), folder / "digits" / "1", *options)
    assert code == 2 and said in err and "Traceback" not in err


def test_without_weights_there_is_nothing_to_watch(folder: Path, trial: str, capsys: Printed, tmp_path: Path) -> None:
    shutil.copytree(folder / "own", tmp_path / "own")
    (tmp_path / "own" / "weights" / f"{trial}.safetensors").unlink()
    code, _, err = monitor(capsys, tmp_path / "own", trial, folder / "digits")
    assert code == 2 and f"no net of trial {trial}" in err and err.count("\n") == 1


def test_a_net_that_says_what_is_not_finite_is_refused(
    folder: Path, trial: str, capsys: Printed, tmp_path: Path
) -> None:
    shutil.copytree(folder / "own", tmp_path / "own")
    weights = tmp_path / "own" / "weights" / f"{trial}.safetensors"
    metadata = json.loads(weights.read_bytes()[8 : 8 + int.from_bytes(weights.read_bytes()[:8], "little")])
    tensors = {name: np.full_like(tensor, np.nan) for name, tensor in load_file(weights).items()}
    save_file(tensors, weights, metadata["__metadata__"])
    code, _, err = monitor(capsys, tmp_path / "own", trial, folder / "digits")
    assert code == 4 and "is not as its trial has left it" in err
    (tmp_path / "own" / "checksums.json").unlink()
    shutil.copytree(folder / "digits", tmp_path / "digits")
    code, _, err = monitor(capsys, tmp_path / "own", trial, tmp_path / "digits")
    assert code == 2 and "validation examples it says what is not finite" in err and err.count("\n") == 1


def test_data_that_are_gone_or_others_are_told(
    folder: Path, trial: str, capsys: Printed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    camera = files(tmp_path / "camera", later()[0][:60])
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    moved = folder / "digits" / "1" / "moved.png"
    shutil.copy(next((folder / "digits" / "2").iterdir()), moved)
    code, _, err = monitor(capsys, folder / "own", trial, camera, "--window", "50")
    assert code == 2 and "its content is another than the trial was trained on" in err and err.count("\n") == 1
    moved.unlink()
    (folder / "digits").rename(folder / "elsewhere")
    try:
        code, _, err = monitor(capsys, folder / "own", trial, camera, "--window", "50")
        assert code == 2 and "--data names the folder" in err and err.count("\n") == 1
    finally:
        (folder / "elsewhere").rename(folder / "digits")


def test_what_is_kept_is_kept_though_the_source_is_damaged_further_on(
    folder: Path, trial: str, capsys: Printed, tmp_path: Path
) -> None:
    images, _ = later()
    path = tmp_path / "t.parquet"
    columns = {"image": [png(image) for image in np.concatenate([images, images])]}
    pq.write_table(pa.table(columns), path, row_group_size=300, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(3).column(0)
    at = (group.dictionary_page_offset or group.data_page_offset) + 60
    content[at : at + 8] = bytes(8)
    path.write_bytes(content)
    code, _, err = monitor(capsys, folder / "own", trial, path, "--window", "100")
    assert code == 2 and "cannot read the Parquet file" in err and err.count("\n") == 1
    assert len(kept(folder / "own", trial)) >= 7


def test_a_damaged_history_is_left_as_it_is(folder: Path, trial: str, capsys: Printed, tmp_path: Path) -> None:
    shutil.copytree(folder / "own", tmp_path / "own", ignore=shutil.ignore_patterns("monitor"))
    shutil.copytree(folder / "digits", tmp_path / "digits")
    (tmp_path / "own" / "monitor").mkdir()
    history = tmp_path / "own" / "monitor" / f"{trial}.parquet"
    history.write_text("no table")
    code, _, err = monitor(capsys, tmp_path / "own", trial, tmp_path / "digits", "--window", "50")
    assert code == 4 and "move it away" in err and history.read_text() == "no table"
