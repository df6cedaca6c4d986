"""A trial's net in a notebook: it says of files what its trial said of its test split, and what it cannot be is told."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import orchestrator
from orchestrator.errors import DamagedResults, UserError
from orchestrator.plan.prepare import data_location
from orchestrator.plan.progress import SilentProgress
from orchestrator.results.predicted import image_files, predicted
from orchestrator.results.trial_net import data_of, find_trial_with_net, open_net
from orchestrator.store.reading import results_at
from orchestrator.sweep.run import SweepRequest, run_sweep
from trainables.errors import BrokenImage
from trainables.stages import onnx_file

GRID = """\
name: nets
axes:
  dataset: digits
  model: {name: mlp, hidden: 16}
  optimizer: [{name: adam, lr: 0.01}, {name: sgd, lr: 1.0e+30}]
  deployment:
    - {name: int8, kind: [dynamic, static, qat]}
    - {name: prune, amount: 0.5, structure: channels}
    - {name: distil, student: {name: mlp, hidden: 8}}
    - {name: export, format: [onnx, torch_export]}
exclude: [{optimizer: sgd, deployment: [prune, distil, export]}]
seeds: 1
protocol: {epochs: 2, keep_weights: best}
wandb: {mode: disabled}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nets")
    (folder / "grid.yaml").write_text(GRID)
    request = SweepRequest(grid=folder / "grid.yaml", results=folder / "nets", engine="inline")
    run_sweep(request, SilentProgress())
    return folder / "nets"


@pytest.fixture(scope="module")
def trials(root: Path) -> pd.DataFrame:
    return orchestrator.load(root).trials.sort_values("status").drop_duplicates("deployment").set_index("deployment")


@pytest.fixture(scope="module")
def pictures(root: Path, trials: pd.DataFrame) -> list[Path]:
    """The test split as files of its own, named after their classes."""
    found = find_trial_with_net(results_at(root), trials.loc["none", "trial_id"])
    data = data_of(found, data_location(None, None))
    examples = data.batches.examples(data.split.test)
    folder = root.with_name("pictures")
    folder.mkdir()
    for number, (pixels, label) in enumerate(zip(examples.inputs, examples.targets, strict=True)):
        Image.fromarray(pixels[0]).save(folder / f"{number:04}-{label}.png")
    return sorted(folder.iterdir())


ALONE = """
import sys
import orchestrator
trial = orchestrator.load(sys.argv[1]).trial(sys.argv[2])
assert "torch" not in sys.modules
labels = trial.model().predict(sys.argv[3:]).labels
print(sum(label == name[-5] for label, name in zip(labels, sys.argv[3:])) / len(labels))
"""


def test_a_fresh_process_recomputes_the_rows_accuracy_of_files_alone(
    root: Path, trials: pd.DataFrame, pictures: list[Path]
) -> None:
    row = trials.loc["none"]
    command = [sys.executable, "-c", ALONE, root, row["trial_id"][:8], *pictures]
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    assert np.float32(ended.stdout) == np.float32(row["test_accuracy"])


@pytest.mark.parametrize(
    "deployment",
    [
        *("none", "int8(kind=dynamic)", "int8(kind=static)", "int8(kind=qat)", "prune"),
        *("distil(alpha=0.9)", "distil(alpha=0)", "export(format=onnx)"),
    ],
)
def test_a_net_says_of_each_test_image_what_its_trial_said(root: Path, pictures: list[Path], deployment: str) -> None:
    results = orchestrator.load(root)
    rows = results.trials.query("status == 'completed'")
    wanted = rows[rows["deployment"].str.startswith(deployment)].iloc[0]
    model = results.trial(wanted["trial_id"]).model()
    said = model.predict(pictures)
    assert said.indices.tolist() == results.predictions(wanted["trial_id"])["predicted"].tolist()
    truth = np.array([int(path.stem[-1]) for path in pictures])
    probability = said.probabilities[np.arange(len(truth)), truth]
    kept = results.predictions(wanted["trial_id"])["probability"].to_numpy()
    assert np.allclose(probability, kept, rtol=2**-10, atol=2**-24)
    assert model.classes == tuple("0123456789") and not model.net.training
    outputs = model.net(model.preprocess(pictures[:1]))
    assert outputs.shape == (1, 10)


def test_images_are_taken_as_files_as_pixels_and_as_pillows(
    root: Path, trials: pd.DataFrame, pictures: list[Path]
) -> None:
    model = orchestrator.load(root).trial(trials.loc["none", "trial_id"]).model()
    image = Image.open(pictures[0])
    pixels = np.asarray(image)
    same = [pictures[0], str(pictures[0]), image, pixels, np.stack([pixels] * 3, axis=2), image.convert("RGB")]
    stored = model.stored(same)
    assert stored.shape == (6, 1, 8, 8) and (stored == stored[0]).all()
    assert model.predict([]).labels == []
    with pytest.raises(BrokenImage, match="float64"):
        model.predict([pixels / 255])
    with pytest.raises(BrokenImage, match=r"grid\.yaml.*also broken: .*nope"):
        model.predict([root.with_name("grid.yaml"), pictures[0], "nope"])


def test_the_most_probable_of_the_others_is_said_below_a_threshold(
    root: Path, trials: pd.DataFrame, pictures: list[Path]
) -> None:
    found = find_trial_with_net(results_at(root), trials.loc["none", "trial_id"])
    net = open_net(found, data_location(None, None))
    with pytest.raises(UserError, match="--threshold is of a class of interest"):
        list(predicted(found, net, image_files(pictures), 3, 0.5))


DAMAGES: dict[str, tuple[Callable[[Path, Path], None], type[Exception], str]] = {
    "gone": (lambda file, other: file.unlink(), UserError, "it was not kept, or it is gone"),
    "empty": (lambda file, other: file.write_bytes(b""), DamagedResults, "not as its trial has left it"),
    "cut": (lambda file, other: _cut(file), DamagedResults, "not as its trial has left it"),
    "another": (lambda file, other: _put(other, file), DamagedResults, "not as its trial has left it"),
}


def _cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def _put(other: Path, file: Path) -> None:
    shutil.copyfile(other, file)


@pytest.mark.parametrize("vouched", [True, False], ids=["vouched for", "not vouched for"])
@pytest.mark.parametrize("deployment", ["none", "int8(kind=dynamic)", "export(format=onnx)"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_files_that_are_not_what_was_kept_are_refused(
    root: Path, trials: pd.DataFrame, tmp_path: Path, damage: str, deployment: str, vouched: bool
) -> None:
    copy = tmp_path / "nets"
    shutil.copytree(root, copy)
    if not vouched:
        (copy / "checksums.json").unlink()
    do, kind, said = DAMAGES[damage]
    completed = orchestrator.load(root).trials.query("status == 'completed'")
    row = completed.set_index("deployment").loc[deployment]
    (file,) = (copy / "weights").glob(f"{row['trial_id']}.*")
    others = completed[completed["trial_id"] != row["trial_id"]]["trial_id"]
    do(file, next(path for path in (copy / "weights").iterdir() if path.stem in set(others)))
    with pytest.raises(kind) as told:
        orchestrator.load(copy).trial(row["trial_id"]).model()
    assert "\n" not in str(told.value)
    assert not vouched or said in str(told.value)


def test_weights_of_another_trial_are_told_by_what_they_say_themselves(
    root: Path, trials: pd.DataFrame, tmp_path: Path
) -> None:
    copy, trial_id = tmp_path / "nets", trials.loc["none", "trial_id"]
    shutil.copytree(root, copy)
    (copy / "checksums.json").unlink()
    file = copy / "weights" / f"{trial_id}.safetensors"
    save_file(load_file(file), file, {"trial_id": "0" * 16})
    with pytest.raises((UserError, DamagedResults), match="0000"):
        orchestrator.load(copy).trial(trial_id).model()


@pytest.mark.parametrize("named", ["", "zzz", "diverged"])
def test_trials_that_have_no_net_or_are_not_there_are_told(root: Path, named: str) -> None:
    results = orchestrator.load(root)
    if named == "diverged":
        named = results.trials.query("status == 'diverged'")["trial_id"].iloc[0]
        with pytest.raises(UserError, match=r"is diverged: .*only completed trials have a net"):
            results.trial(named).model()
    else:
        with pytest.raises(UserError, match="trials begin with ''" if not named else "no trial's id begins with"):
            results.trial(named)


def test_without_onnxruntime_what_to_install_is_said(
    root: Path, trials: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"onnxruntime is not installed: pip install 'orch-grid\[deploy\]'"):
        orchestrator.load(root).trial(trials.loc["export(format=onnx)", "trial_id"]).model()


def test_a_file_that_can_run_code_is_not_read(root: Path, trials: pd.DataFrame) -> None:
    with pytest.raises(UserError, match=f"gives what the net of its parent, {trials.loc['none', 'trial_id']}, gives"):
        orchestrator.load(root).trial(trials.loc["export(format=torch_export)", "trial_id"]).model()


def test_the_random_numbers_of_a_notebook_go_on(root: Path, trials: pd.DataFrame, pictures: list[Path]) -> None:
    state = torch.random.get_rng_state()
    orchestrator.load(root).trial(trials.loc["none", "trial_id"]).model().predict(pictures[:2])
    assert torch.equal(torch.random.get_rng_state(), state)
