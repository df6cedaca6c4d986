"""The measurement `explain` on trained nets, and on modules of which no map can be worth anything."""

from dataclasses import astuple, replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.trainables.few import FewDigits
from tests.trainables.measurements.measured import found_in, in_its_place, measure, trained_on_digits
from tests.trainables.stages.nets import TrainedNet
from trainables.datasets.digits import Digits
from trainables.errors import TrainablesError
from trainables.measurements._explaining import Explained
from trainables.measurements._explanation_rows import ExplanationHeadlines, ExplanationRow, ExplanationTables
from trainables.measurements.explain import Explain, Method
from trainables.models.cnn import Cnn
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.records import Breakdown
from trainables.training.weights import load_checked

METHODS: tuple[Method, ...] = ("grad_cam", "saliency", "integrated_gradients", "occlusion", "expected_gradients")


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return trained_on_digits(tmp_path_factory.mktemp("cnn"), Cnn(channels=(8, 16)))


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return trained_on_digits(tmp_path_factory.mktemp("mlp"), Mlp(hidden=(16,)))


def rows_of(tables: Breakdown) -> dict[str, ExplanationRow]:
    assert isinstance(tables, ExplanationTables)
    return {row.method: row for row in tables.explanations}


def without_nan(row: ExplanationRow) -> bool:
    return all(value == value for value in astuple(row))


def test_methods_are_better_than_the_maps_that_have_not_seen_the_net(cnn: TrainedNet) -> None:
    result = measure(cnn, Explain(pictures=60))
    rows = rows_of(result.breakdown)
    assert list(rows) == ["random", "centre", *METHODS]
    assert all(
        row.n == 60 and row.baseline == "mean" and row.reason is None and without_nan(row) for row in rows.values()
    )
    random, integrated = rows["random"], rows["integrated_gradients"]
    assert random.deletion is not None and integrated.deletion is not None
    assert integrated.deletion < random.deletion - 0.1
    assert integrated.deletion_gain == pytest.approx(random.deletion - integrated.deletion, abs=0.05)
    assert integrated.insertion is not None and random.insertion is not None
    assert integrated.insertion > random.insertion
    assert integrated.deletion_gain_error is not None and 0 < integrated.deletion_gain_error < 0.1
    assert integrated.completeness_gap is not None
    assert result.headlines == ExplanationHeadlines(explanation_gain=integrated.deletion_gain)
    likenesses = {method: rows[method].similarity for method in METHODS}
    assert all(likeness is not None and -1 <= likeness < 0.9 for likeness in likenesses.values()), likenesses
    others = [row for row in rows.values() if row.method != "integrated_gradients"]
    assert all(row.completeness_gap is None for row in others)
    assert random.deletion_gain is None and random.similarity is None


def test_a_net_without_feature_maps_has_a_reason_in_place_of_grad_cam(mlp: TrainedNet) -> None:
    result = measure(mlp, Explain(methods=("grad_cam", "saliency"), pictures=10))
    rows = rows_of(result.breakdown)
    assert list(rows) == ["random", "centre", "grad_cam", "saliency"]
    assert rows["grad_cam"] == ExplanationRow(
        method="grad_cam", n=10, baseline="mean", reason="the net has no feature maps of more than one pixel"
    )
    assert rows["saliency"].reason is None and rows["saliency"].deletion is not None
    assert result.headlines == ExplanationHeadlines(explanation_gain=None), "integrated gradients were not asked for"


def test_a_recurrent_net_is_explained_by_what_has_a_gradient(tmp_path: Path) -> None:
    lstm = trained_on_digits(tmp_path, Lstm(hidden=16), FewDigits(), epochs=1)
    rows = rows_of(measure(lstm, Explain(methods=("grad_cam", "integrated_gradients"), pictures=8)).breakdown)
    assert rows["grad_cam"].reason is not None and rows["grad_cam"].deletion is None
    assert rows["integrated_gradients"].reason is None and rows["integrated_gradients"].deletion is not None


class OneClass(nn.Module):
    """Whatever is shown, it answers the same."""

    def __init__(self, *, detached: bool) -> None:
        super().__init__()
        self.detached = detached

    def forward(self, inputs: Tensor) -> Tensor:
        nothing = (inputs.detach() if self.detached else inputs).flatten(1).sum(dim=1, keepdim=True) * 0
        return nothing + torch.arange(10.0)


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("tested", [1, 20])
def test_a_net_that_answers_one_class_always_gives_no_figure_that_is_not_a_number(
    mlp: TrainedNet, tested: int, *, detached: bool
) -> None:
    found = found_in(Explain(), in_its_place(mlp, OneClass(detached=detached), tested=tested))
    rows = rows_of(found.rows)
    assert list(rows) == ["random", "centre", *METHODS]
    assert all(without_nan(row) for row in rows.values()), rows
    assert rows["grad_cam"].reason is not None
    assert rows["occlusion"].reason is None and rows["occlusion"].similarity is None, "no map varies"
    assert rows["occlusion"].deletion_gain == pytest.approx(0, abs=1e-9)
    for method in ("saliency", "integrated_gradients", "expected_gradients"):
        assert (rows[method].reason is not None) is detached
        assert rows[method].similarity is None
    assert (rows["random"].deletion_gain_error is None) and (rows["centre"].deletion_gain_error is None) is (
        tested == 1
    )


@pytest.mark.parametrize("baseline", ["mean", "black"])
def test_maps_of_a_linear_net_add_up_to_what_its_logits_gain(
    mlp: TrainedNet, baseline: Literal["mean", "black"]
) -> None:
    torch.manual_seed(0)
    net = in_its_place(mlp, nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), tested=20)
    rows = rows_of(found_in(Explain(methods=("integrated_gradients",), baseline=baseline), net).rows)
    assert {row.baseline for row in rows.values()} == {baseline}
    assert rows["integrated_gradients"].completeness_gap == pytest.approx(0, abs=1e-5)
    explained = Explained.of(net, 20, baseline)
    pixel = explained.maps.baseline.flatten()[0]  # the corner is black in all training pictures
    black = net.data.batches.standardise(torch.zeros(1, 1, 8, 8)).flatten()[0]
    assert float(pixel) == pytest.approx(float(black), abs=1e-6)
    assert (explained.maps.baseline == pixel).all() == (baseline == "black")


@pytest.mark.parametrize("side", [1, 2])
def test_tiny_pictures_are_explained(side: int, tmp_path: Path) -> None:
    tiny = trained_on_digits(tmp_path, Mlp(hidden=(4,)), FewDigits(resize=(side, side)), epochs=1)
    rows = rows_of(measure(tiny, Explain()).breakdown)
    assert list(rows) == ["random", "centre", *METHODS]
    assert all(without_nan(row) for row in rows.values()), rows
    assert rows["integrated_gradients"].n == 16


def test_weights_that_are_not_numbers_are_refused_before_anything_is_measured(mlp: TrainedNet, tmp_path: Path) -> None:
    with safe_open(mlp.weights, "pt") as kept:
        metadata = kept.metadata()
    broken = {name: torch.full_like(tensor, torch.nan) for name, tensor in load_checked(mlp.weights, None).items()}
    save_file(broken, tmp_path / "nan.safetensors", metadata)
    with pytest.raises(TrainablesError, match="NaN or infinite for 359 of 359"):
        measure(replace(mlp, weights=tmp_path / "nan.safetensors"), Explain(pictures=2))


def test_where_a_cue_misleads_a_net_it_is_told_which_methods_find_it(tmp_path: Path) -> None:
    trained = trained_on_digits(tmp_path, Mlp(hidden=(16,)), Digits(spurious=0.98, resize=(16, 16)))
    rows = rows_of(measure(trained, Explain(pictures=60, methods=("integrated_gradients", "grad_cam"))).breakdown)
    integrated, random = rows["integrated_gradients"], rows["random"]
    assert integrated.misled is not None and 20 <= integrated.misled <= 60
    chance = integrated.mass_chance
    assert chance is not None and 9 / 256 <= chance <= 12 / 256, (
        "2 x 2 in 16 x 16 at the border, with a pixel around it"
    )
    assert integrated.pointing is not None and integrated.pointing > 0.8
    assert random.pointing is not None and random.pointing < 0.25
    assert integrated.mass is not None and random.mass is not None and integrated.mass > 5 * random.mass
    assert rows["grad_cam"].pointing is None


def test_without_a_cue_nothing_is_said_of_pointing(mlp: TrainedNet) -> None:
    rows = rows_of(measure(mlp, Explain(pictures=10, methods=("saliency",))).breakdown)
    assert all((row.misled, row.pointing, row.mass, row.mass_chance) == (None,) * 4 for row in rows.values())
