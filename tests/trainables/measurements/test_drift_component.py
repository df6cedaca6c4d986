"""The measurement `drift`: what it finds out about a small net on handwritten digits, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from orchestrator.cli import run
from orchestrator.report.contents import read_page
from orchestrator.store.paths import ResultsPaths
from tests.trainables.stages.nets import CPU, TrainedNet, train
from trainables.context import SingleContext
from trainables.dataset import DataInfo
from trainables.datasets.digits import Digits
from trainables.errors import CannotDeploy
from trainables.interfaces import Measurement
from trainables.measurements import _drifting
from trainables.measurements._drifting import Alarms, of_test, windows_of
from trainables.measurements.corrupt import Corrupt, CorruptionTables
from trainables.measurements.drift import Drift, DriftHeadlines, DriftTables
from trainables.models.cnn import Cnn
from trainables.models.mlp import Mlp
from trainables.records import TrialResult
from trainables.spec import ParentTrial, TrialTask
from trainables.stages.measured_net import MeasuredNet
from trainables.stages.measurement import Findings
from trainables.stages.run import run_task


def measured(net: TrainedNet, measurement: Measurement) -> TrialResult:
    parent = ParentTrial(net.spec.trial_id, net.weights, getattr(net.result.test, "cross_entropy", None))
    task = TrialTask("measured", 1, net.spec, net.place, None, parent=parent, measurement=measurement)
    return run_task(task, SingleContext(CPU, lambda row: False))


def found(result: TrialResult) -> pd.DataFrame:
    assert isinstance(result.breakdown, DriftTables)
    return pd.DataFrame(result.breakdown.drift)


def headlines(result: TrialResult) -> DriftHeadlines:
    assert isinstance(result.headlines, DriftHeadlines)
    return result.headlines


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return train(tmp_path_factory.mktemp("net"), Cnn(channels=(6, 8), hidden=(16,)), Digits(), epochs=5)


@pytest.fixture(scope="module")
def result(net: TrainedNet) -> TrialResult:
    return measured(net, Drift())


@pytest.fixture(scope="module")
def held(net: TrainedNet) -> MeasuredNet:
    """What a measurement is handed."""
    handed: list[MeasuredNet] = []

    class Looks(Drift):
        def measure(self, net: MeasuredNet) -> Findings:
            handed.append(net)
            return Findings(DriftTables(), DriftHeadlines())

    measured(net, Looks())
    return handed[0]


def test_there_is_a_row_for_each_detector_window_shift_and_severity(
    net: TrainedNet, held: MeasuredNet, result: TrialResult
) -> None:
    rows = found(result)
    assert not rows.duplicated(["detector", "window", "shift", "severity"]).any()
    assert len(rows) == 3 * 2 * (1 + 5 * 2 + 1)
    clean = rows[rows["shift"] == "none"]
    assert set(clean["n"]) == {len(held.data.split.test)}
    assert set(clean["accuracy"]) == {getattr(net.result.test, "accuracy", None)}
    assert clean["false_alarms"].notna().all() and clean[["power", "harm", "harmless"]].isna().all(axis=None)
    left_out = rows[rows["reason"].notna()]
    assert set(left_out["shift"]) == {"half_classes"} and set(left_out["window"]) == {200}
    assert left_out["reason"].str.fullmatch(r"a window has 200 pictures, and there are 1\d\d to draw it from").all()
    shifted = rows[(rows["shift"] != "none") & rows["reason"].isna()]
    assert shifted["power"].between(0, 1).all()
    assert (shifted.groupby(["detector", "window"])["false_alarms"].nunique() == 1).all()
    assert (shifted["harmless"].astype(bool) == (shifted["harm"] <= 0.01)).all()


def test_headlines_are_the_most_false_alarms_and_the_least_power_that_matters(result: TrialResult) -> None:
    rows = found(result)
    assert headlines(result).drift_false_alarms == rows["false_alarms"].max()
    largest = rows[(rows["detector"] == "bbsd") & (rows["window"] == 200) & (rows["harm"] >= 0.05)]
    assert len(largest) >= 3
    assert headlines(result).drift_power == largest["power"].min()


def test_shifts_that_cost_much_are_noticed_and_fewer_classes_by_outputs_rather_than_by_confidence(
    result: TrialResult,
) -> None:
    rows = found(result).set_index(["detector", "window", "shift", "severity"]).sort_index()
    for shift in ("rotate", "translate"):
        assert rows.loc[("bbsd", 50, shift, 3), "harm"] > 0.2
        assert rows.loc[("bbsd", 50, shift, 3), "power"] > 0.95
        assert rows.loc[("bbsd", 50, shift, 3), "median_delay"] == 50
    half = rows.xs(("half_classes", 0), level=("shift", "severity")).xs(50, level="window")["power"]
    assert half["bbsd"] > 0.8 and half["bbsd"] > half["confidence"] + 0.3


def test_accuracies_are_those_that_corrupt_measures_on_the_same_pictures(net: TrainedNet, result: TrialResult) -> None:
    other = measured(net, Corrupt(corruptions=("rotate", "gaussian_noise"), severities=(1, 3))).breakdown
    assert isinstance(other, CorruptionTables)
    accuracy = found(result).groupby(["shift", "severity"])["accuracy"].agg(set)
    for row in other.corruptions:
        name = "none" if row.corruption == "clean" else row.corruption
        assert accuracy[name, row.severity] == {row.accuracy}


def test_it_is_the_same_bit_by_bit_when_it_is_measured_again(net: TrainedNet) -> None:
    """Whichever other rows it makes."""
    few = Drift(shifts=("rotate", "half_classes"), severities=(1,), windows=(50,))
    one, again = measured(net, few), measured(net, few)
    assert one.breakdown == again.breakdown and one.headlines == again.headlines
    more = found(measured(net, Drift(detectors=("bbsd",), shifts=("translate", "rotate"), windows=(20, 50))))
    key = ["detector", "window", "shift", "severity"]
    both = found(one).merge(more, on=key)
    assert len(both) == 2 and (both["false_alarms_x"] == both["false_alarms_y"]).all()
    assert both["power_x"].equals(both["power_y"]) and both["power_x"].notna().sum() == 1


def test_features_are_what_the_last_linear_layer_takes(held: MeasuredNet) -> None:
    seen = of_test(held)
    last = [part for part in held.module.modules() if isinstance(part, nn.Linear)][-1]
    outputs = torch.from_numpy(seen.features) @ last.weight.detach().T + last.bias.detach()
    assert seen.features.shape == (len(held.data.split.test), 16)
    assert np.allclose(outputs.double().softmax(dim=1), seen.probabilities, atol=1e-6)
    assert seen.probabilities == pytest.approx(held.tested.outputs.double().softmax(dim=1).numpy(), abs=0)
    assert not held.module.training and not last._forward_pre_hooks


@pytest.mark.parametrize("last", [lambda: [], lambda: [nn.Linear(10, 10)]], ids=["none", "never called"])
def test_without_a_linear_layer_features_are_the_probabilities(
    held: MeasuredNet, last: Callable[[], list[nn.Module]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_drifting, "_last", lambda module: last())
    seen = of_test(held)
    assert seen.by("mmd") is seen.probabilities


def test_a_window_has_different_pictures_and_each_is_as_likely() -> None:
    """Drawn with replacement, windows of a small test split would alarm too often: 14.5 % of 200 from 359 pictures at 5 %,
    and drawn so 5.9 %, the mean of 150 splits.
    """
    windows = windows_of(30, 20, 2_000, "test", 1)
    assert windows.shape == (2_000, 20) and all(len(set(window)) == 20 for window in windows.tolist())
    counts = np.bincount(windows.ravel(), minlength=30)
    assert len(counts) == 30 and abs(counts - 2_000 * 20 / 30).max() < 5 * np.sqrt(2_000 * 2 / 3 / 3)


@pytest.mark.parametrize(
    ("first", "delay"),
    [((0, 0, 0), 50.0), ((0, 2, 9), 150.0), ((0, 4, None), 250.0), ((0, None, None), None), ((None,) * 3, None)],
)
def test_the_delay_counts_the_pictures_of_all_windows_until_the_first_alarm(
    first: tuple[int | None, ...], delay: float | None
) -> None:
    each = np.zeros((3, 10), bool)
    for stream, place in enumerate(first):
        if place is not None:
            each[stream, place:] = True
    assert Alarms(each.ravel()).median_delay(50) == delay
    assert Alarms(each.ravel()).rate == each.mean()


def test_what_it_cannot_be_tried_on_is_skipped_with_the_reason(tmp_path: Path, net: TrainedNet) -> None:
    few = train(tmp_path, Mlp(hidden=(8,)), epochs=1)
    with pytest.raises(CannotDeploy, match=r"validation split, of which it needs 30 examples, and there are 8"):
        measured(few, Drift(windows=(10,)))
    with pytest.raises(CannotDeploy, match=r"a window has 50 pictures, and the test split 16"):
        measured(few, Drift())
    with pytest.raises(CannotDeploy, match=r"2000 windows are too few to calibrate a false-alarm rate of 0\.0001"):
        measured(net, Drift(alpha=0.0001, detectors=("confidence",)))


def test_what_is_not_finite_is_compared_with_nothing(held: MeasuredNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held.module, "forward", lambda inputs: torch.full((len(inputs), 10), torch.nan))
    with pytest.raises(CannotDeploy, match="not finite"):
        of_test(held)


def test_classes_of_which_there_are_none_leave_rows_with_a_reason(net: TrainedNet, held: MeasuredNet) -> None:
    nobody = of_test(held).only(np.zeros(0, np.int64))
    assert nobody.accuracy is None and nobody.probabilities.shape == (0, 10)
    rows = found(measured(net, Drift(pictures=3, shifts=("half_classes",), windows=(50,))))
    shifted = rows[rows["shift"] == "half_classes"]
    assert shifted["reason"].notna().all() and shifted["power"].isna().all() and (shifted["n"] <= 3).all()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"shifts": ["rotat"]}, "unknown shift 'rotat'; did you mean rotate"),
        ({"shifts": []}, "shifts"),
        ({"windows": [1]}, "greater than or equal to 2"),
        ({"alpha": 0}, "greater than 0"),
        ({"alpha": 1}, "less than 1"),
        ({"detectors": ["labels"]}, "bbsd"),
        ({"severities": [6]}, "less than or equal to 5"),
    ],
)
def test_wrong_parameters_are_refused(written: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Drift.from_parameters(written)


def test_one_value_may_stand_for_a_list_and_other_data_is_not_supported() -> None:
    assert Drift.from_parameters({"windows": 50, "detectors": "bbsd", "shifts": "rotate", "severities": 2}) == Drift(
        windows=(50,), detectors=("bbsd",), shifts=("rotate",), severities=(2,)
    )
    ages = DataInfo("ages", "image", (1, 8, 8), "regression")
    assert Drift().unsupported_reason(ages, Mlp()) == "drift needs classes, but ages has the task regression"


def test_a_sweep_keeps_the_table_and_the_page_tells_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(
        "name: sweep\naxes: {dataset: digits, model: {name: mlp, hidden: 8}, optimizer: {name: sgd, lr: 0.1}}\nseeds: 2\n"
        "protocol: {epochs: 2}\nmeasure: [{name: drift, detectors: bbsd, windows: [50, 400], shifts: [rotate, fog]}]\n"
    )
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q"]) == 0
    rows, trials = (pd.read_parquet(f"results/sweep/{name}.parquet") for name in ("drift", "trials"))
    assert len(rows) == 2 * 2 * 5 and set(rows["trial_id"]) == set(trials["trial_id"])
    largest = rows.groupby("trial_id")["false_alarms"].max()
    assert trials.set_index("trial_id")["drift_false_alarms"].to_dict() == largest.to_dict()
    (section,) = read_page(ResultsPaths(Path("results/sweep"))).measured
    heads = [column.title for column in section.table.columns]
    shown = {row[heads.index("window")]: dict(zip(heads, row, strict=True)) for row in section.table.rows}
    clean = rows[(rows["shift"] == "none") & (rows["window"] == 50)]
    assert shown[50]["false alarms"] == pytest.approx(clean["false_alarms"].mean(), rel=1e-5)
    assert shown[400]["false alarms"] is None and "a window has 400 pictures" in str(shown[400]["note"])
    harmful = rows[(rows["harm"] >= 0.05) & (rows["window"] == 50)].groupby(["shift", "severity"])["power"].mean()
    assert shown[50]["power"] == pytest.approx(harmful.mean(), rel=1e-5)
    assert str(shown[50]["found worst"]).endswith(f"({harmful.min():.3f})")
