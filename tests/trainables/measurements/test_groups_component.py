"""The measurement `groups` on a sweep's nets: against what was kept of their answers, and where it can say nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from orchestrator.cli import run
from tests.trainables.measurements.measured import found_in, in_its_place, module_of, trained_on_digits
from tests.trainables.stages.nets import TrainedNet
from trainables.datasets.digits import Digits
from trainables.errors import CannotDeploy
from trainables.measurements._parting import parted
from trainables.measurements._slices import Cut, brightness, contrast
from trainables.measurements.groups import GroupHeadlines, Groups, GroupTables
from trainables.models.mlp import Mlp
from trainables.stages.measured_net import MeasuredNet

GRID = """\
name: parts
axes:
  dataset: [digits, {name: digits, spurious: 0.95}]
  model: [{name: mlp, hidden: 16}]
  optimizer: {name: adam, lr: 0.01}
seeds: 2
protocol: {epochs: 3}
measure:
  - groups
  - {name: groups, by: cue}
  - {name: groups, by: group}
wandb: {mode: disabled}
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    (folder / "grid.yaml").write_text(GRID)
    arguments = ["--engine", "inline", "-q", "--results", str(folder / "results")]
    assert run(["sweep", str(folder / "grid.yaml"), *arguments]) == 0
    return folder / "results"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return trained_on_digits(tmp_path_factory.mktemp("mlp"), Mlp(hidden=(16,)))


def table(results: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(results / f"{name}.parquet")


def of_each_trial(results: Path) -> Iterator[tuple[pd.Series, pd.DataFrame, pd.DataFrame]]:
    """Its row, its rows of `groups`, and what was kept of its answers: `target`, `predicted`, `probability`."""
    answers = table(results, "predictions").merge(table(results, "examples"), on=["split_id", "position"])
    for _, trial in table(results, "trials").iterrows():
        groups, own = (rows[rows["trial_id"] == trial["trial_id"]] for rows in (table(results, "groups"), answers))
        yield trial, groups, own.sort_values("position")


def test_rows_are_what_the_kept_answers_come_to(results: Path) -> None:
    for trial, groups, answers in of_each_trial(results):
        right = answers["target"] == answers["predicted"]
        by_class = right.groupby(answers["target"].astype(int)).agg(["size", "mean"])
        rows = groups[groups["by"] == "class"].set_index("part")
        assert list(rows.index) == list("0123456789")
        assert list(rows["n"]) == list(by_class["size"])
        assert list(rows["accuracy"]) == pytest.approx(list(by_class["mean"]), abs=1e-12)
        assert (rows["accuracy_low"] <= rows["accuracy"]).all() and (rows["accuracy"] <= rows["accuracy_high"]).all()
        assert rows["left_out"].isna().all() and rows["p"].isna().all()
        if not trial["dataset"].startswith("digits("):
            large = by_class[by_class["size"] >= 30]
            assert trial["worst_group_accuracy"] == pytest.approx(large["mean"].min(), abs=1e-12)
        for number in ("brightness", "contrast", "confidence"):
            slices = groups[groups["by"] == number]
            assert slices["n"].sum() == len(answers)
            mean = np.average(slices["accuracy"], weights=slices["n"])
            assert mean == pytest.approx(trial["test_accuracy"], abs=1e-12)


def test_the_least_confident_fifth_is_the_worst(results: Path) -> None:
    for _, groups, _ in of_each_trial(results):
        slices = groups[groups["by"] == "confidence"].set_index("part")
        first, last = slices.iloc[0], slices.iloc[-1]
        assert str(first.name).startswith("1 of 5") and first["accuracy"] < last["accuracy"]
        assert first["p"] < 0.01 < last["p"]


def test_slices_are_those_of_the_pictures_that_the_net_was_shown(trained: TrainedNet) -> None:
    net = in_its_place(trained, module_of(trained))
    found = found_in(Groups(by=("brightness", "contrast")), net)
    assert isinstance(found.rows, GroupTables)
    digits = trained.spec.dataset.load(trained.place)
    pictures = np.asarray(digits.inputs)[net.data.split.test]
    correct = (net.tested.outputs.argmax(dim=1) == net.tested.targets).numpy()
    for number, of in (("brightness", brightness), ("contrast", contrast)):
        rows = [row for row in found.rows.groups if row.by == number]
        place = pd.Series(of(pictures))
        parts = np.searchsorted(np.quantile(place, [0.2, 0.4, 0.6, 0.8], method="inverted_cdf"), place, side="left")
        assert [row.n for row in rows] == list(np.bincount(parts))
        assert [row.accuracy for row in rows] == pytest.approx([correct[parts == part].mean() for part in range(5)])


def test_pictures_whose_cue_conflicts_are_the_worst_part(results: Path) -> None:
    cued = [(trial, groups) for trial, groups, _ in of_each_trial(results) if trial["dataset"].startswith("digits(")]
    assert len(cued) == 2
    for trial, groups in cued:
        rows = groups[groups["by"] == "cue"].set_index("part")
        assert list(rows.index) == ["agrees", "conflicts"] and rows["n"].sum() == trial["test_size"]
        assert rows.loc["conflicts", "accuracy"] < rows.loc["agrees", "accuracy"] - 0.2
        assert rows.loc["conflicts", "accuracy"] == pytest.approx(trial["cue_conflicts_accuracy"], abs=1e-12)


def test_what_data_do_not_have_is_a_reason_and_no_failure(results: Path) -> None:
    measured = table(results, "measurements")
    skipped = measured[measured["status"] == "skipped"]
    assert set(measured["status"]) == {"completed", "skipped"}
    assert sorted(skipped["reason"]) == [
        *["not made: groups by cue: digits has none"] * 2,
        *["not made: groups by group: digits has none"] * 4,
    ]
    assert not table(results, "groups")["measurement_id"].isin(skipped["trial_id"]).any()
    assert run(["verify", str(results)]) == 0


def test_three_test_examples_are_shown_and_compared_with_none(trained: TrainedNet) -> None:
    found = found_in(Groups(), in_its_place(trained, module_of(trained), tested=3))
    assert isinstance(found.rows, GroupTables)
    for by in ("class", "brightness", "contrast", "confidence"):
        rows = [row for row in found.rows.groups if row.by == by]
        assert sum(row.n for row in rows) == 3 and all(row.p is None for row in rows)
    assert found.headlines == GroupHeadlines()


def in_groups(tmp_path: Path, groups: NDArray[np.int64]) -> MeasuredNet:
    """1,258 test examples, of which each belongs to such a group."""
    trained = trained_on_digits(tmp_path, Mlp(hidden=(4,)), epochs=1, splits={"test": 0.7})
    net = in_its_place(trained, module_of(trained))
    assert net.data.tested is not None
    tested = replace(net.data.tested, groups=groups[: len(net.tested.targets)])
    return replace(net, data=replace(net.data, tested=tested))


def test_names_of_single_examples_are_no_groups(tmp_path: Path) -> None:
    net = in_groups(tmp_path, np.arange(2_000))
    with pytest.raises(CannotDeploy, match=r"groups by group: digits has 1,258 of them, more than 1,000"):
        found_in(Groups(by=("class", "group")), net)


def test_groups_of_the_data_are_compared_where_they_are_large_enough(tmp_path: Path) -> None:
    groups = np.repeat([7, 8, 9], [1_000, 248, 10])
    net = in_groups(tmp_path, groups)
    found = found_in(Groups(by=("group",)), net)
    assert isinstance(found.rows, GroupTables)
    targets, answers = net.tested.targets.numpy(), net.tested.outputs.argmax(dim=1).numpy()
    right = pd.Series(targets == answers).groupby(groups).agg(["size", "mean"])
    assert [(row.part, row.n) for row in found.rows.groups] == [("7", 1_000), ("8", 248), ("9", 10)]
    assert [row.accuracy for row in found.rows.groups] == pytest.approx(list(right["mean"]))
    assert [row.left_out for row in found.rows.groups] == [None, None, "10 examples, fewer than 30"]
    rates = [
        abs(np.mean(answers[(groups == 7) & of] == target) - np.mean(answers[(groups == 8) & of] == target))
        for target in range(10)
        for of in (targets == target, targets != target)
    ]
    headlines = found.headlines
    assert isinstance(headlines, GroupHeadlines)
    assert headlines.worst_group_accuracy is not None
    assert headlines.worst_group_accuracy == pytest.approx(right["mean"][[7, 8]].min())
    assert headlines.equalized_odds_difference == pytest.approx(max(rates))
    by_class = pd.Series(targets == answers).groupby(targets).mean()
    both = found_in(Groups(by=("group", "class")), net).headlines
    assert isinstance(both, GroupHeadlines)
    assert by_class.min() < headlines.worst_group_accuracy, "the worst class is worse than the worst group"
    assert both.worst_group_accuracy == pytest.approx(by_class.min())
    assert both.equalized_odds_difference == headlines.equalized_odds_difference, "of groups alone"


def test_what_a_cue_has_misled_is_the_worst_slice_though_nobody_asked_for_the_cue(tmp_path: Path) -> None:
    trained = trained_on_digits(tmp_path, Mlp(hidden=(32,)), Digits(spurious=0.95), epochs=5)
    net = in_its_place(trained, module_of(trained))
    found = found_in(Groups(), net).rows
    assert isinstance(found, GroupTables) and net.data.cues is not None
    worst = min((row for row in found.groups if row.p is not None), key=lambda row: row.accuracy or 0.0)
    assert worst.by == "clusters" and worst.p is not None and worst.p < 0.05
    answers, targets = net.tested.outputs.argmax(dim=1).numpy(), net.tested.targets.numpy()
    misled = (net.data.cues[net.data.split.test] == answers) & (answers != targets)
    cut = parted(net, "clusters")
    assert isinstance(cut, Cut)
    assert misled[cut.codes == cut.names.index(worst.part)].mean() > 1.8 * misled.mean()


def test_many_pictures_are_looked_at_a_few_at_a_time(trained: TrainedNet, monkeypatch: pytest.MonkeyPatch) -> None:
    net = in_its_place(trained, module_of(trained))
    whole, most = parted(net, "contrast"), 0

    def seen(self: MeasuredNet, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        nonlocal most
        most = max(most, len(places))
        return images(self, places)

    images = MeasuredNet.images
    monkeypatch.setattr(MeasuredNet, "images", seen)
    monkeypatch.setattr("trainables.measurements._parting.BATCH", 50)
    again = parted(net, "contrast")
    assert isinstance(whole, Cut) and isinstance(again, Cut) and most == 50
    np.testing.assert_array_equal(again.codes, whole.codes)
