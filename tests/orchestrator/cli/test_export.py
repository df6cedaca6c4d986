"""`orch export`: a net as a file for other programs, which gives what it gave, says how it is called, and holds no image."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile, is_zipfile

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

import orchestrator
from orchestrator.cli import run as cli_run
from orchestrator.plan.prepare import data_location
from orchestrator.plan.progress import SilentProgress
from orchestrator.results.trial_net import data_of, find_trial_with_net
from orchestrator.store.reading import results_at
from orchestrator.sweep.run import SweepRequest, run_sweep
from trainables.dataset import Examples
from trainables.stages import onnx_file
from trainables.stages.exported_file import ExportedNet
from trainables.stages.onnx_file import OnnxNet

GRID = """\
name: nets
axes:
  dataset: digits
  model: {name: mlp, hidden: 16}
  optimizer: {name: adam, lr: 0.01}
  deployment: [int8, {name: prune, amount: 0.5, structure: channels}, export]
seeds: 1
protocol: {epochs: 3, keep_weights: best}
wandb: {mode: disabled}
"""
STATIC = "{name: int8, kind: static, runtime: onnxruntime, calibration: 64}"
Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    (folder / "grid.yaml").write_text(GRID)
    run_sweep(SweepRequest(grid=folder / "grid.yaml", results=folder / "nets", engine="inline"), SilentProgress())
    return folder / "nets"


@pytest.fixture(scope="module")
def ids(root: Path) -> "pd.Series[str]":
    return orchestrator.load(root).trials.set_index("deployment")["trial_id"]


@pytest.fixture(scope="module")
def examples(root: Path, ids: "pd.Series[str]") -> tuple[Examples, NDArray[np.int64]]:
    """All that the data set has, and which of them are tested on."""
    data = data_of(find_trial_with_net(results_at(root), ids["none"]), data_location(None, None))
    return data.batches.examples(np.arange(1797)), data.split.test


def export(root: Path, trial: str, file: Path, *options: str) -> int:
    return cli_run(["export", str(root), trial, str(file), *options])


def outputs_of(file: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    import torch

    net = OnnxNet(file.read_bytes(), 1) if file.suffix == ".onnx" else ExportedNet(file.read_bytes())
    with torch.inference_mode():
        return net(torch.from_numpy(pixels)).numpy()


@pytest.mark.parametrize("name", ["net.onnx", "net.pt2"])
def test_the_file_says_what_the_trial_said_and_its_readme_runs(
    root: Path,
    ids: "pd.Series[str]",
    examples: tuple[Examples, NDArray[np.int64]],
    tmp_path: Path,
    capsys: Printed,
    name: str,
) -> None:
    file = tmp_path / name
    assert export(root, ids["none"][:8], file) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[:3] == [str(file), str(tmp_path / "net.README.md"), TOLD]
    rows = [line.split("|")[1:-1] for line in out.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [int(row[0]) for row in rows] == [1, 7, 359] and int(rows[-1][1]) == 359
    assert all(float(row[2]) < 1e-4 * float(row[3]) and row[4].strip() == "100.0000%" for row in rows)
    every, test = examples
    said = outputs_of(file, every.inputs[test]).argmax(axis=1)
    kept = orchestrator.load(root).predictions(ids["none"])["predicted"]
    assert said.tolist() == kept.tolist()
    text = (tmp_path / "net.README.md").read_text()
    Image.fromarray(every.inputs[test[0], 0]).save(tmp_path / "image.png")
    code = text.partition("```python\n")[2].partition("```")[0]
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(said[0])
    assert "uint8, (batch, 1, 8, 8)" in text and "float32, (batch, 10)" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["image.png", name, "net.README.md"])


TOLD = "beside the net that was trained, on the test split:"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("net.onnx", ()),
        ("net.pt2", ()),
        ("int8.onnx", ("--deployment", STATIC)),
        ("pruned.pt2", ("--deployment", "prune")),
    ],
)
def test_no_image_of_the_data_is_in_a_file(
    root: Path,
    ids: "pd.Series[str]",
    examples: tuple[Examples, NDArray[np.int64]],
    tmp_path: Path,
    name: str,
    options: tuple[str, ...],
) -> None:
    file = tmp_path / name
    assert export(root, ids["none"], file, *options) == 0
    content = [file.read_bytes()]
    if is_zipfile(file):
        with ZipFile(BytesIO(content[0])) as archive:
            content += [archive.read(entry) for entry in archive.namelist()]
    whole = b"\n".join(content)
    inputs = examples[0].inputs
    for kind in (np.uint8, np.int64, np.float32):
        # a row of an image that is no row of zeros: of 1,797 images the middle two rows
        pieces = {np.ascontiguousarray(image[0, 3:5].astype(kind)).tobytes() for image in inputs}
        assert not any(piece in whole for piece in pieces)


def test_a_made_variant_is_measured_beside_the_net(
    root: Path, ids: "pd.Series[str]", tmp_path: Path, capsys: Printed
) -> None:
    assert export(root, ids["none"], tmp_path / "whole.onnx") == 0
    assert export(root, ids["none"], tmp_path / "int8.onnx", "--deployment", STATIC) == 0
    assert (
        export(root, ids["none"], tmp_path / "pruned.onnx", "--deployment", "{name: prune, amount: 0.9, epochs: 0}")
        == 0
    )
    assert capsys.readouterr().out.count(TOLD) == 3
    whole, small = ((tmp_path / name).stat().st_size for name in ("whole.onnx", "int8.onnx"))
    assert small != whole and "int8" in (tmp_path / "int8.README.md").read_text()
    assert "100.0000%" not in (tmp_path / "pruned.README.md").read_text()


def test_variants_are_exported_as_they_are(root: Path, ids: "pd.Series[str]", tmp_path: Path) -> None:
    assert export(root, ids["export"], tmp_path / "copied.onnx") == 0
    assert (tmp_path / "copied.onnx").read_bytes() == (root / "weights" / f"{ids['export']}.onnx").read_bytes()
    pruned = next(ids[label] for label in ids.index if label.startswith("prune"))
    assert export(root, pruned, tmp_path / "pruned.onnx") == 0
    assert (tmp_path / "pruned.onnx").stat().st_size < (tmp_path / "copied.onnx").stat().st_size


def test_nothing_is_written_over_unless_asked(
    root: Path, ids: "pd.Series[str]", tmp_path: Path, capsys: Printed
) -> None:
    file, text = tmp_path / "net.onnx", tmp_path / "net.README.md"
    text.write_text("mine")
    assert export(root, ids["none"], file) == 2
    assert text.read_text() == "mine" and not file.exists()
    assert export(root, ids["none"], file, "--force") == 0
    before = file.read_bytes()
    assert export(root, ids["none"], file) == 2 and file.read_bytes() == before
    assert capsys.readouterr().err.count("is there already; --force writes over it") == 2


@pytest.mark.parametrize(
    ("of", "name", "options", "said"),
    [
        ("none", "net.bin", (), "does not say which format"),
        ("none", "nowhere/net.onnx", (), "there is no folder"),
        ("none", "nets/weights/net.onnx", (), "lies in the results directory"),
        ("none", "link.onnx", (), "is no file of its own"),
        ("none", "net.onnx", ("--deployment", "int9"), "unknown deployment 'int9'; did you mean int8?"),
        ("none", "net.onnx", ("--deployment", "{name: prune, amount: 2}"), "amount"),
        ("none", "net.onnx", ("--deployment", "{name: ["), "--deployment {name: [:"),
        ("none", "net.onnx", ("--deployment", "export"), "it is what this command does"),
        ("none", "net.onnx", ("--deployment", "int8"), "cannot be used so: torch cannot export it to ONNX"),
        ("none", "net.pt2", ("--deployment", STATIC), "int8 makes a file of onnxruntime; write it as onnx"),
        ("none", "net.onnx", ("--deployment", STATIC.replace("64", "100000")), "calibration asks for 100,000"),
        ("export", "net.onnx", ("--deployment", "int8"), "is a variant, of which no other is made"),
        ("export", "net.pt2", (), "its net is an ONNX file already"),
        ("", "net.onnx", (), "begin with ''"),
    ],
)
def test_what_cannot_be_exported_is_told_in_a_line(
    root: Path,
    ids: "pd.Series[str]",
    tmp_path: Path,
    capsys: Printed,
    of: str,
    name: str,
    options: tuple[str, ...],
    said: str,
) -> None:
    (tmp_path / "link.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    file = root.parent / name if name.startswith("nets/") else tmp_path / name
    assert export(root, ids[of] if of else "", file, *options) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1, err
    assert not file.exists() and not list(tmp_path.glob("*.README.md"))


def test_without_the_extra_what_to_install_is_said(
    root: Path, ids: "pd.Series[str]", tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    assert export(root, ids["none"], tmp_path / "net.onnx") == 2
    assert "pip install 'orch-grid[deploy]'" in capsys.readouterr().err
    assert export(root, ids["none"], tmp_path / "net.pt2") == 0


def test_a_disk_that_takes_nothing_leaves_nothing(
    root: Path, ids: "pd.Series[str]", tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    import orchestrator.results.exported as exported

    def full(content: bytes, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exported, "replace_whole", full)
    assert export(root, ids["none"], tmp_path / "net.pt2") == 2
    assert "No space left on device" in capsys.readouterr().err and not list(tmp_path.iterdir())
