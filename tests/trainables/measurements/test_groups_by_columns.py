"""The measurement `groups` by columns of a user's own data: against counting in pandas, and where it can say nothing."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.trainables.measurements.measured import found_in, in_its_place, module_of
from tests.trainables.stages.nets import CPU, TrainedNet
from trainables.context import SingleContext
from trainables.dataset import DataLocation
from trainables.datasets.image_folder import ImageFolder
from trainables.errors import CannotDeploy, DataError
from trainables.measurements.groups import GroupHeadlines, GroupRow, Groups, GroupTables
from trainables.models.mlp import Mlp
from trainables.optimizers.adam import Adam
from trainables.protocol import Protocol
from trainables.spec import TrialSpec, TrialTask
from trainables.stages.measured_net import MeasuredNet
from trainables.stages.run import run_task

COUNT = 900


def facts(number: int) -> dict[str, object]:
    """What the columns say of a picture. By night there is nothing but noise."""
    person = number // 10
    return {
        "group": f"person {person:02}",
        "light": ("lab", "street", "night")[person % 3],
        "age": "" if person % 10 == 9 else 20 + person / 4,
        "years": 20 + person // 2,
        "consent": "" if person % 4 == 0 else "yes",
        "camera": "one",
        "name": f"picture {number}",
        "empty": "",
        "brightness": ("dark", "light")[person % 2],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    digits = load_digits()
    rows = []
    for number in range(COUNT):
        told, label = facts(number), digits.target[number]
        noise = np.random.default_rng(number).uniform(0, 255, (8, 8))
        pixels = noise if told["light"] == "night" else digits.images[number] * 15.9
        file = root / "faces" / str(label) / f"{number:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(file)
        rows.append({"path": f"{label}/{file.name}", **told})
    with (root / "people.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture(scope="module")
def net(folder: Path) -> MeasuredNet:
    place = DataLocation(data=folder, beside=None, cache=folder / "cache")
    dataset = ImageFolder(path="faces", groups="people.csv").located(place)
    protocol = Protocol.from_parameters({"epochs": 4, "keep_weights": "best", "splits": {"test": 0.4}})
    spec = TrialSpec(dataset, Mlp(hidden=(16,)), Adam(lr=0.01), (), protocol, 0, dataset.fingerprint(place))
    weights = folder / f"{spec.trial_id}.safetensors"
    result = run_task(TrialTask(spec.trial_id, 1, spec, place, weights), SingleContext(CPU, lambda row: False))
    trained = TrainedNet(spec, place, weights, result)
    return in_its_place(trained, module_of(trained))


def rows_of(net: MeasuredNet, *by: str) -> list[GroupRow]:
    found = found_in(Groups(by=by), net).rows
    assert isinstance(found, GroupTables)
    return list(found.groups)


def told(net: MeasuredNet) -> pd.DataFrame:
    """What the columns say of each test example, and whether the net is right."""
    assert net.data.tested is not None
    numbers = [int(Path(name).stem) for name in net.data.tested.sources()]
    right = (net.tested.outputs.argmax(dim=1) == net.tested.targets).numpy()
    return pd.DataFrame([facts(number) for number in numbers]).assign(right=right)


@pytest.mark.parametrize("by", ["light", "group", "years", "consent", "column:brightness", "camera"])
def test_groups_are_the_values_of_a_column(net: MeasuredNet, by: str) -> None:
    column = told(net)[by.removeprefix("column:")].astype(str).replace("", "(no value)")
    expected = told(net)["right"].groupby(column).agg(["size", "mean"])
    rows = rows_of(net, by)
    assert [(row.by, row.part, row.n) for row in rows] == [(by, part, n) for part, n in expected["size"].items()]
    assert [row.accuracy for row in rows] == pytest.approx(list(expected["mean"]))
    assert all(row.p is None for row in rows)


@pytest.mark.parametrize(
    ("classes", "positive", "answered"), [(10, "3", 3), (10, None, None), (2, None, 1), (2, "0", 0)]
)
def test_how_often_each_group_is_answered_with_the_class_of_interest(
    net: MeasuredNet, classes: int, positive: str | None, answered: int | None
) -> None:
    few = net.tested._replace(outputs=net.tested.outputs[:, :classes], targets=net.tested.targets % classes)
    info = replace(net.data.info, classes=net.data.info.classes[:classes], positive=positive)
    asked = replace(net, data=replace(net.data, info=info), tested=few)
    light = told(net)["light"]
    chosen = (few.outputs.argmax(dim=1) == answered).numpy() if answered is not None else None
    rows = rows_of(asked, "light", "confidence")
    named = {row.part: row.selection_rate for row in rows if row.by == "light"}
    expected = {part: None if chosen is None else chosen[light == part].mean() for part in sorted(set(light))}
    assert named == expected
    assert all(row.selection_rate is None for row in rows if row.by == "confidence")


def test_the_worst_value_is_the_headline_and_examples_without_one_take_no_part(net: MeasuredNet) -> None:
    worst = found_in(Groups(by=("light",)), net).headlines
    by_light = told(net).groupby("light")["right"].mean()
    assert by_light.idxmin() == "night" and by_light["night"] < 0.3
    assert isinstance(worst, GroupHeadlines) and worst.worst_group_accuracy == pytest.approx(by_light["night"])
    left_out = {(row.by, row.part): row.left_out for row in rows_of(net, "consent", "camera")}
    assert left_out == {
        ("consent", "(no value)"): "they have no value",
        ("consent", "yes"): "no other group that it can be compared with",
        ("camera", "one"): "no other group that it can be compared with",
    }
    assert found_in(Groups(by=("consent", "camera")), net).headlines == GroupHeadlines()


def test_a_column_of_fractions_is_cut_and_whole_numbers_where_it_is_asked_for(net: MeasuredNet) -> None:
    frame = told(net)
    for by, column in (("age", "age"), ("quintiles:years", "years")):
        numbers = pd.to_numeric(frame[column])
        rows = rows_of(net, by)
        assert [row.by for row in rows] == [by] * 5 and sum(row.n for row in rows) == numbers.notna().sum()
        edges = np.quantile(numbers.dropna(), [0.2, 0.4, 0.6, 0.8], method="inverted_cdf")
        of_first = frame["right"][numbers <= edges[0]]
        assert (rows[0].n, rows[0].accuracy) == (len(of_first), pytest.approx(of_first.mean()))
        assert rows[0].part == f"1 of 5: {numbers.min():.3g} to {numbers[numbers <= edges[0]].max():.3g}"
        assert all(row.p is not None and row.recall_macro is None for row in rows if row.left_out is None)
    assert numbers.notna().all() and frame["age"].astype(str).eq("").any()


@pytest.mark.parametrize(
    ("by", "reason"),
    [
        ("empty", "groups by empty: no test example has a value"),
        ("quintiles:light", "groups by quintiles:light: its values are not all numbers, and quintiles are of numbers"),
        ("lihgt", "groups by lihgt: there is no column 'lihgt'; did you mean light?"),
        ("column:clusters", "groups by column:clusters: there is no column 'clusters'"),
        ("cue", "groups by cue: image_folder has none"),
    ],
)
def test_what_a_column_cannot_tell_is_a_reason(net: MeasuredNet, by: str, reason: str) -> None:
    with pytest.raises(CannotDeploy) as skipped:
        rows_of(net, "class", by)
    assert str(skipped.value).startswith(reason)


def test_names_of_single_pictures_are_no_groups(
    net: MeasuredNet, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainables.measurements._column.MOST", 500)
    with pytest.raises(
        CannotDeploy, match=r"groups by name: there are more than .* which are names rather than groups"
    ):
        rows_of(net, "name")


def test_files_that_have_changed_since_are_not_taken_for_those_of_the_net(net: MeasuredNet, folder: Path) -> None:
    corrected = (folder / "people.csv").read_text()
    (folder / "people.csv").write_text(corrected.replace("night", "dusk"))
    assert {row.part for row in rows_of(net, "light")} == {"lab", "street", "dusk"}, "no part of the content"
    (folder / "people.csv").write_text(corrected.replace("person 01", "person 02"))
    with pytest.raises(DataError, match="the files are not those of the plan"):
        rows_of(net, "light")
    (folder / "people.csv").write_text(corrected)
    short = replace(net.data, tested=replace(net.data.tested, count=COUNT + 1)) if net.data.tested else net.data
    with pytest.raises(DataError, match="has 900 rows for 901 examples"):
        rows_of(replace(net, data=short), "light")


def test_distance_and_clusters_are_cut_of_what_the_net_makes_of_pictures(net: MeasuredNet) -> None:
    rows = rows_of(net, "distance", "clusters")
    of = {by: [row for row in rows if row.by == by] for by in ("distance", "clusters")}
    size = len(net.tested.targets)
    assert all(sum(row.n for row in each) == size for each in of.values())
    answers = net.tested.outputs.argmax(dim=1).numpy()
    expected = {f"answered {net.data.info.classes[one]}" for one in set(answers.tolist())}
    assert {row.part.partition(",")[0] for row in of["clusters"]} == expected
    assert rows_of(net, "distance", "clusters") == rows, "the same each time"
    nearest, farthest = of["distance"][0].accuracy, of["distance"][-1].accuracy
    assert nearest is not None and farthest is not None and farthest < nearest - 0.2, (
        "noise is far from what was learnt"
    )
