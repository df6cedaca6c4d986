"""The measurement `prequential`: a net along a stream, block after block, and which blocks would be noticed."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from torch import nn

from tests.trainables.measurements.measured import found_in, in_its_place, measure, module_of, trained_on_digits
from tests.trainables.stages.nets import TrainedNet
from trainables.dataset import DataInfo
from trainables.datasets.digits import Digits
from trainables.measurements.prequential import Prequential, PrequentialHeadlines, PrequentialTables
from trainables.models.mlp import Mlp
from trainables.records import TrialResult

SHIFTS = [
    {"name": "rotate", "severity": 5, "from": 2, "until": 4},
    {"name": "gaussian_noise", "severity": 4, "from": 3, "until": 4},
    {"name": "rotate", "to": 30, "from": 4},
]


def trained(folder: Path, **options: Any) -> TrainedNet:
    digits = Digits.from_parameters({"stream": {"blocks": 6, "shift": SHIFTS}, **options})
    return trained_on_digits(folder, Mlp(hidden=(16,)), digits)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return trained(tmp_path_factory.mktemp("net"))


def found(result: TrialResult) -> pd.DataFrame:
    assert isinstance(result.breakdown, PrequentialTables)
    return pd.DataFrame(result.breakdown.prequential)


def test_there_is_a_row_for_each_block_in_its_order(net: TrainedNet) -> None:
    result = measure(net, Prequential())
    rows = found(result)
    assert rows["block"].tolist() == list(range(6))
    assert rows["shift"].tolist() == [
        *("none", "none", "rotate 5", "rotate 5 + gaussian_noise 4", "rotate 0 degrees", "rotate 30 degrees")
    ]
    assert rows["severity"].fillna(-1).tolist() == [0, 0, 5, 5, -1, -1]
    assert rows["n"].sum() == 359 and rows["n"].isin([59, 60]).all()
    whole = (rows["accuracy"] * rows["n"]).sum() / 359
    assert whole == pytest.approx(getattr(net.result.test, "accuracy", None), abs=1e-9)
    loss = (rows["cross_entropy"] * rows["n"]).sum() / 359
    assert loss == pytest.approx(getattr(net.result.test, "cross_entropy", None), rel=1e-5)
    assert rows["alarm"].tolist()[2:4] == [True, True] and rows["accuracy"][2] < rows["accuracy"][0] - 0.2
    assert rows["alarm"].tolist() == (rows["p_value"] <= 0.05).tolist()
    assert isinstance(result.headlines, PrequentialHeadlines)
    assert result.headlines.stream_alarms == rows["alarm"].mean()


def test_the_p_is_that_of_the_textbook_beside_the_validation_split(net: TrainedNet) -> None:
    module = module_of(net)
    held = in_its_place(net, module)
    tables = found_in(Prequential(), held).rows
    assert isinstance(tables, PrequentialTables)
    from trainables.training.evaluate import predict

    reference = predict(module, held.data.batches, held.data.split.val, held.protocol, held.context).outputs
    expected = reference.double().softmax(dim=1).numpy()
    first = 0
    for row in tables.prequential:
        block = held.tested.outputs[first : first + row.n].double().softmax(dim=1).numpy()
        first += row.n
        each = [ks_2samp(expected[:, one], block[:, one], method="asymp").pvalue for one in range(10)]
        assert row.reference_n == len(held.data.split.val)
        assert row.p_value == pytest.approx(min(1.0, 10 * min(each)), rel=1e-6)


def test_after_some_blocks_the_reference_is_what_was_held_out_of_the_last(tmp_path: Path) -> None:
    net = trained(tmp_path, stream={"blocks": 2, "shift": {"name": "rotate", "severity": 5}}, seen=1)
    (row,) = found(measure(net, Prequential())).itertuples()
    assert (row.block, row.reference_n, row.n) == (1, 36, 180)
    assert row.p_value > 0.001  # the same pictures, turned like those of before


def test_few_pictures_are_no_reference_and_no_alarm(tmp_path: Path) -> None:
    rows = found(measure(trained(tmp_path, seen=4), Prequential()))
    assert rows["block"].tolist() == [4, 5] and (rows["reference_n"] == 12).all()
    assert rows["p_value"].isna().all() and rows["alarm"].isna().all()
    assert rows["accuracy"].between(0, 1).all()


def test_a_net_of_which_nothing_is_finite_has_a_reason(net: TrainedNet) -> None:
    from trainables.errors import CannotDeploy

    class Broken(nn.Module):
        def forward(self, inputs: Any) -> Any:
            return inputs.flatten(1)[:, :10] * float("nan")

    with pytest.raises(CannotDeploy, match=r"prequential compares what the net says of pictures, .* not finite"):
        found_in(Prequential(), in_its_place(net, Broken()))


def test_alarms_of_a_stream_without_a_shift_are_as_rare_as_alpha(tmp_path: Path) -> None:
    alarms = []
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        net = trained(folder, stream={"blocks": 10})
        alarms += found(measure(net, Prequential(alpha=0.05)))["alarm"].tolist()
    assert np.mean(alarms) < 0.2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            DataInfo("digits", "image", (1, 8, 8), "classification", ("a", "b")),
            "prequential goes along a stream, and the test split of digits is none; give it the option stream",
        ),
        (DataInfo("digits", "image", (1, 8, 8), "classification", ("a", "b"), stream=True), None),
    ],
)
def test_it_needs_a_stream(data: DataInfo, reason: str | None) -> None:
    assert Prequential().unsupported_reason(data, Mlp()) == reason
