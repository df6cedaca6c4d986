"""The gallery that `explain` keeps: which test pictures stand in it, and that it is kept where a trial keeps its images."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.measurements.measured import found_in, in_its_place, trained_on_digits
from tests.trainables.stages.nets import CPU, TrainedNet
from trainables.context import SingleContext
from trainables.measurements._gallery import picked
from trainables.measurements.explain import Explain
from trainables.models.mlp import Mlp
from trainables.spec import ParentTrial, TrialTask
from trainables.stages.explained_sheet import Sheet, read_sheet
from trainables.stages.run import run_task


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return trained_on_digits(tmp_path_factory.mktemp("mlp"), Mlp(hidden=(16,)))


def logits(*sure: float) -> Tensor:
    """Of two classes: the first by so much."""
    return torch.tensor([[of, 0.0] for of in sure]).reshape(-1, 2)


def test_the_surest_and_the_least_sure_right_answers_and_the_surest_mistakes_are_shown() -> None:
    outputs = logits(5, 1, 9, 3, 2, -7, -1, -2, -3, -4, -8)
    targets = torch.tensor([0] * 5 + [0] * 5 + [1])
    chosen = [(each.about, each.place) for each in picked(outputs, targets)]
    assert chosen == [
        *(("surest", 2), ("surest", 10)),
        *(("least sure", 1), ("least sure", 4)),
        *(("wrong", 5), ("wrong", 9), ("wrong", 8), ("wrong", 7)),
    ]


def test_fewer_are_shown_where_there_are_fewer_and_none_twice() -> None:
    assert picked(torch.empty(0, 2), torch.empty(0, dtype=torch.int64)) == []
    for right in range(6):
        chosen = picked(logits(*range(1, right + 1)), torch.zeros(right, dtype=torch.int64))
        assert len({each.place for each in chosen}) == len(chosen) == min(right, 4)
    alike = picked(torch.zeros(9, 2), torch.tensor([0, 1] * 4 + [0]))
    assert [each.place for each in alike] == [0, 2, 8, 6, 1, 3, 5, 7], "of those that are equally sure the first"
    nothing = picked(torch.full((3, 2), torch.nan), torch.zeros(3, dtype=torch.int64))
    assert len(nothing) == 3


def kept_by(trained: TrainedNet, explain: Explain, image: Path | None) -> object:
    """What the measurement's row has; its image is kept there."""
    torch.set_num_threads(1)
    spec = trained.spec
    parent = ParentTrial(spec.trial_id, trained.weights, getattr(trained.result.test, "cross_entropy", None))
    task = TrialTask("0" * 16, 1, spec, trained.place, None, image, parent=parent, measurement=explain)
    return run_task(task, SingleContext(CPU, lambda row: False)).breakdown


def sheet_at(file: Path) -> Sheet:
    sheet = read_sheet(file.read_bytes())
    assert sheet is not None
    return sheet


def test_a_measurement_keeps_its_gallery_and_its_figures_are_the_same(mlp: TrainedNet, tmp_path: Path) -> None:
    explain = Explain(pictures=5, methods=("grad_cam", "saliency", "occlusion"))
    with_image = kept_by(mlp, explain, tmp_path / "pictures" / "kept.png")
    sheet = sheet_at(tmp_path / "pictures" / "kept.png")
    assert sheet.contents.methods == ("saliency", "occlusion")
    assert [row.about for row in sheet.contents.rows] == [*["surest"] * 2, *["least sure"] * 2, *["wrong"] * 4]
    assert all(row.wrong == (row.about == "wrong") and 0 < row.probability <= 1 for row in sheet.contents.rows)
    assert sheet.contents.notes == (
        "Baseline: mean. At its own 99th percentile a map has its full colour.",
        "No grad_cam: the net has no feature maps of more than one pixel.",
    )
    without = kept_by(mlp, explain, None)
    rows, others = ([replace(row, seconds=0.0) for row in of.explanations] for of in (with_image, without))  # type: ignore[attr-defined]
    assert rows == others
    kept_by(mlp, explain, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "pictures" / "kept.png").read_bytes()


class Knowing(nn.Module):
    """Its answers are looked up."""

    def __init__(self, answers: Tensor) -> None:
        super().__init__()
        self._answers = answers
        self._shown = 0

    def forward(self, inputs: Tensor) -> Tensor:
        start = self._shown % len(self._answers)
        self._shown += len(inputs)
        chosen = self._answers.roll(-start)[: len(inputs)]
        return nn.functional.one_hot(chosen, 10).float() * 3 + inputs.flatten(1).sum(dim=1, keepdim=True) * 0


@pytest.mark.parametrize(
    ("wrong", "said"), [(0, "none are wrong"), (1, "1 is wrong"), (10, "none are right"), (7, "3 are right")]
)
def test_what_there_is_too_little_of_is_said(mlp: TrainedNet, wrong: int, said: str) -> None:
    truth = in_its_place(mlp, nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), tested=10).tested.targets
    answers = torch.where(torch.arange(10) < wrong, (truth + 1) % 10, truth)
    net = in_its_place(mlp, Knowing(answers), tested=10)
    content = found_in(Explain(pictures=2, methods=("saliency",)), net).image
    assert content is not None
    sheet = read_sheet(content)
    assert sheet is not None
    assert sheet.contents.notes[1:] == (f"Of 10 test pictures {said}.",)
    assert len(sheet.contents.rows) == min(wrong, 4) + min(10 - wrong, 4)
