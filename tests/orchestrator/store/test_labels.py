"""A label means one configuration within a results directory, whatever grids have been planned into it."""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.errors import GridError
from orchestrator.grid.reader import read_text
from orchestrator.plan.plan import Plan
from orchestrator.store.journal import Journal
from orchestrator.store.kept_labels import KeptLevel, labels_in_directory
from orchestrator.sweep.record import cell_row, trial_rows, tuning_rows
from trainables.dataset import DataLocation

AXES = ("dataset", "model", "optimizer", "regularizer")
GRID = {"dataset": "digits", "model": "mlp", "optimizer": "sgd", "regularizer": "none"}
SGD = "[{name: sgd, lr: %s, momentum: [0.0, 0.9]}]"

Swept = Callable[..., dict[str, Mapping[str, str]]]


@pytest.fixture
def swept(tmp_path: Path) -> Swept:
    """Plans a grid into the same directory as those before; by axis, each configuration with its label."""
    journal = Journal.create_or_open(tmp_path / "results" / "journal.sqlite")
    place = DataLocation(data=None, beside=tmp_path, cache=tmp_path / "cache")

    def plan(more: str = "", **axes: str) -> dict[str, Mapping[str, str]]:
        levels = ", ".join(f"{axis}: {level}" for axis, level in (GRID | axes).items())
        grid = read_text(f"name: demo\naxes: {{{levels}}}\nprotocol: {{epochs: 1}}\n{more}", tmp_path / "grid.yaml")
        made = Plan(grid, place)
        with journal.planning("demo") as planning:
            for cell in made.cells():
                planning.add(
                    cell_row(cell), [*tuning_rows(cell, made.seeds_of(cell)), *trial_rows(cell, made.seeds_of(cell))]
                )
            displays = {axis.name: axis.labels.displays for axis in grid.axes}
            planning.name_levels(lambda axis, levels: labels_in_directory(axis, levels, displays[axis]))
        return {axis: labels(journal, axis) for axis in AXES}

    return plan


def labels(journal: Journal, axis: str) -> dict[str, str]:
    """Configuration, with a data set's content and what is tuned, to label. Fails where one has two, or two have one."""
    found: dict[str, str] = {}
    for label, *message in journal.query(f"SELECT {axis}, {axis}_config, tuning_config, data_fingerprint FROM cells"):
        configuration, tuning, fingerprint = message
        opened = sorted(json.loads(tuning)["space"]) if tuning else []
        acting = [part for part in flat(configuration) if part["name"] != "none"] or [{"name": "none"}]
        key = json.dumps(
            [acting, [name for name in opened if name.startswith(axis)], fingerprint if axis == "dataset" else ""]
        )
        assert found.setdefault(key, label) == label, (key, label, found[key])
    assert len(set(found.values())) == len(found), found
    return found


def flat(configuration: str) -> list[dict[str, object]]:
    level = json.loads(configuration)
    return level if isinstance(level, list) else [level]


def test_what_differs_over_all_grids_is_shown(swept: Swept) -> None:
    assert set(swept(optimizer=SGD % 0.1)["optimizer"].values()) == {"sgd(momentum=0)", "sgd(momentum=0.9)"}
    both = {f"sgd(lr={lr},momentum={momentum})" for lr in ("0.1", "1e-05") for momentum in ("0", "0.9")}
    assert set(swept(optimizer=SGD % 1e-5)["optimizer"].values()) == both
    assert set(swept(optimizer=SGD % 1e-5)["optimizer"].values()) == both, "nothing has changed"
    assert set(swept(optimizer=SGD % "0.10")["optimizer"].values()) == both, "the first grid again, written otherwise"
    whole = swept(optimizer=SGD % "[1e-5, 0.1]")["optimizer"]
    assert set(whole.values()) == both, "a grid that has them all"


def test_what_only_one_grid_gives_is_shown_as_it_is_there(swept: Swept) -> None:
    swept(optimizer="[{name: sgd, lr: 0.1}, {name: adam, lr: 0.003}]")
    found = swept(optimizer="[{name: sgd, lr: 0.2}]")["optimizer"]
    assert set(found.values()) == {"sgd(lr=0.1)", "sgd(lr=0.2)", "adam(lr=0.003)"}
    found = swept(optimizer="[{name: sgd, lr: 0.2, nesterov: true, momentum: 0.9}]")["optimizer"]
    assert set(found.values()) == {
        "sgd(lr=0.1,momentum=0,nesterov=false)",
        "sgd(lr=0.2,momentum=0,nesterov=false)",
        "sgd(lr=0.2,momentum=0.9,nesterov=true)",
        "adam(lr=0.003)",
    }


def test_one_configuration_has_one_label_however_grids_write_it(swept: Swept) -> None:
    swept(model="[mlp, {name: cnn, channels: [4]}]", optimizer="[{name: sgd, lr: 0.1}]")
    assert set(swept(optimizer="sgd")["optimizer"].values()) == {"sgd"}, "0.1 is its default; cnn is of the first grid"
    swept(regularizer="[[none, {name: dropout, p: 0.2}]]")
    swept(model="[mlp, {name: cnn, channels: [4]}]", regularizer="[{name: dropout, p: 0.2}, {name: dropout, p: 0.3}]")


def test_regularizers_in_any_order_and_number(swept: Swept) -> None:
    pair = "[[{name: dropout, p: %s}, {name: weight_decay, value: %s}]]"
    swept(regularizer=pair % (0.2, 5e-4))
    swept(regularizer="[[{name: weight_decay, value: 5e-4}, {name: dropout, p: 0.2}], none]")
    swept(regularizer="[{name: dropout, p: 0.2}, {name: dropout, p: 0.3}]")
    found = swept(regularizer=pair % (0.2, 1e-3))["regularizer"]
    assert "dropout(p=0.2)+weight_decay(value=0.001)" in found.values()
    assert "weight_decay(value=0.0005)+dropout(p=0.2)" in found.values()


def test_what_was_given_and_what_is_tuned(swept: Swept) -> None:
    swept(optimizer="[{name: sgd, lr: 0.1}]")
    opened = swept("tuning: {trials: 2, space: {optimizer.lr: [1e-4, 1, log]}}\n", optimizer="sgd")["optimizer"]
    assert set(opened.values()) == {"sgd(lr=0.1)", "sgd(lr=tuned)"}
    assert set(swept(optimizer="[{name: sgd, lr: 0.2}]")["optimizer"].values()) == {
        "sgd(lr=0.1)",
        "sgd(lr=0.2)",
        "sgd(lr=tuned)",
    }


def test_overrides_protocols_and_resources_leave_labels_apart(swept: Swept) -> None:
    override = "overrides: [{when: {model: cnn}, set: {optimizer.momentum: 0.5}}]\n"
    models = "[mlp, {name: cnn, channels: [4]}]"
    swept(model=models)
    swept(override, model=models)
    swept("resources: {cpus: 2}\n", model=models)


def draw(folder: Path, shade: int) -> None:
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(4):
            Image.fromarray(np.full((4, 4, 3), shade + number, np.uint8)).save(folder / name / f"{number}.png")


def test_changed_images_are_another_level(swept: Swept, tmp_path: Path) -> None:
    draw(tmp_path / "pets", 10)
    assert set(swept(dataset="{name: image_folder, path: pets}")["dataset"].values()) == {"image_folder(path=pets)"}
    draw(tmp_path / "pets", 20)
    draw(tmp_path / "wild" / "pets", 30)
    found = swept(dataset="{name: image_folder, path: pets}")["dataset"]
    assert len(found) == 2
    assert all(label.startswith("image_folder(path=pets,content=") for label in found.values())
    third = swept(dataset="[digits, {name: image_folder, path: wild/pets}]")["dataset"]
    assert {label for label in third.values() if "content" not in label} == {"digits", "image_folder(path=wild/pets)"}
    assert len(third) == 4


def test_parameters_that_joined_later_and_components_that_are_gone(tmp_path: Path) -> None:
    kept = {
        "old": KeptLevel(
            "sgd(lr=0.1)", '{"name": "sgd", "lr": 0.1, "momentum": 0.0, "nesterov": false}', planned=False
        ),
        "new": KeptLevel(
            "sgd(lr=0.2)", json.dumps({"name": "sgd", "lr": 0.2, "momentum": 0.0, "nesterov": False, "dampening": 0.0})
        ),
        "gone": KeptLevel("lion(lr=1)", '{"name": "lion", "lr": 1}', planned=False),
        "lost": KeptLevel("lion(lr=1)", '{"name": "lion", "lr": 1, "beta": 2}', planned=False),
    }
    found = labels_in_directory("optimizer", set(kept.values()))
    assert {name: found[level] for name, level in kept.items()} == {
        "old": "sgd(lr=0.1)",
        "new": "sgd(lr=0.2)",
        "gone": "lion",
        "lost": "lion(beta=2)",
    }


def test_paths_show_as_much_as_tells_them_apart() -> None:
    paths = ("/data/a/birds", "/data/b/birds", "/data/c/cats")
    kept = [
        KeptLevel("image_folder(path=x)", json.dumps({"name": "image_folder", "path": path}), planned=False)
        for path in paths
    ]
    found = labels_in_directory("dataset", set(kept))
    assert [found[level] for level in kept] == [f"image_folder(path={end})" for end in ("a/birds", "b/birds", "c/cats")]


@pytest.mark.parametrize("seed", range(12))
def test_any_grids_one_after_another(swept: Swept, seed: int) -> None:
    """`labels` looks after each that no two configurations share a label."""
    chosen = random.Random(seed)

    def some(values: list[str]) -> str:
        return ", ".join(chosen.sample(values, chosen.randint(1, len(values))))

    def optimizer() -> str:
        sgd = f"{{name: sgd, lr: [{some(['0.1', '1e-5', '0.01'])}], momentum: [{some(['0', '0.9'])}]}}"
        return some(["adam", f"{{name: adam, lr: [{some(['0.1', '0.003'])}]}}", sgd])

    def regularizer() -> str:
        dropout = f"{{name: dropout, p: [{some(['0.1', '0.2', '0.3'])}]}}"
        decay = f"{{name: weight_decay, value: {chosen.choice(['5e-4', '1e-3'])}}}"
        return some(["none", dropout, f"[{dropout}, {decay}]", f"[{decay}, {dropout}]", "[none, " + decay + "]"])

    for _ in range(4):
        tuned = "tuning: {trials: 2, space: {model.hidden: [[4], [8], [16, 4]]}}\n" * chosen.randint(0, 1)
        model = "mlp" if tuned else f"[{{name: mlp, hidden: [{some(['[4]', '[8]', '[16, 4]'])}]}}]"
        swept(tuned, model=model, optimizer=f"[{optimizer()}]", regularizer=f"[{regularizer()}]")


def test_a_claim_takes_the_label_of_its_grid_and_that_of_the_tables() -> None:
    """Those of the tables may show more, since other grids were swept there."""
    claim = "claims: [{id: a, text: said, better: {optimizer: '%s'}, than: {optimizer: '%s'}, on: test_accuracy}]\n"
    grid = "name: demo\naxes: {dataset: digits, model: mlp, optimizer: [{name: sgd, lr: 1e-5, momentum: [0, 0.9]}]}\n"
    short, long = "sgd(momentum=%s)", "sgd(lr=1e-05,momentum=%s)"
    arms = []
    for label in (short, long):
        (read,) = read_text(grid + claim % (label % "0.9", label % "0"), Path("grid.yaml")).claims
        assert read.first is not None and read.than is not None
        arms.append(
            [level.parts[0].values["momentum"] for arm in (read.first, read.than) for level in arm.axes["optimizer"]]
        )
    assert arms[0] == arms[1] == [frozenset({"0.9"}), frozenset({"0.0"})]
    for wrong in (
        "sgd(lr=0.1,momentum=0)",
        "sgd(momentum=0,lr=1e-05)",
        "adam(lr=1e-05)",
        "sgd()",
        "sgd(momentum=0",
        "(momentum=0)",
    ):
        with pytest.raises(GridError, match="which is not a level of optimizer here"):
            read_text(grid + claim % (short % "0.9", wrong), Path("grid.yaml"))


def test_two_ways_to_write_one_path_are_two_labels() -> None:
    paths = ("/data/birds", "/data//birds", "/data/birds/", "birds")
    kept = [
        KeptLevel("image_folder(path=x)", json.dumps({"name": "image_folder", "path": path}), planned=False)
        for path in paths
    ]
    assert len(set(labels_in_directory("dataset", set(kept)).values())) == len(paths)


# Names that a user gives levels: `display`.


def test_a_name_is_kept_beside_what_other_grids_have(swept: Swept) -> None:
    first = swept(optimizer="[{name: sgd, lr: 0.1, display: Slow}, {name: adam, lr: [0.1, 0.2], display: Ours}]")
    assert set(first["optimizer"].values()) == {"Slow", "Ours(lr=0.1)", "Ours(lr=0.2)"}
    second = swept(optimizer="[{name: sgd, lr: 0.2}, {name: sgd, lr: 0.3, display: Quick}]")
    # what no grid has any more keeps its name, and what has none shows what differs
    assert set(second["optimizer"].values()) == {"Slow", "Ours(lr=0.1)", "Ours(lr=0.2)", "sgd(lr=0.2)", "Quick"}


def test_another_name_renames_finished_rows_and_no_name_takes_it_away(swept: Swept) -> None:
    level = "{name: sgd, lr: 0.1, display: %s}"
    assert set(swept(optimizer=level % "Slow")["optimizer"].values()) == {"Slow"}
    assert set(swept(optimizer=level % "Careful")["optimizer"].values()) == {"Careful"}
    assert set(swept(optimizer="{name: sgd, lr: 0.1}")["optimizer"].values()) == {"sgd(lr=0.1)"}


def test_a_name_goes_to_the_level_that_has_it_in_the_latest_grid(swept: Swept) -> None:
    swept(optimizer="{name: sgd, lr: 0.1, display: SGD}")
    found = swept(optimizer="{name: sgd, lr: 0.2, display: SGD}")["optimizer"]
    assert {json.loads(key)[0][0]["lr"]: label for key, label in found.items()} == {0.1: "sgd(lr=0.1)", 0.2: "SGD"}
    third = swept(optimizer="adam")["optimizer"]
    assert set(third.values()) == {"sgd(lr=0.1)", "SGD", "adam"}


def test_names_of_images_that_have_changed(swept: Swept, tmp_path: Path) -> None:
    draw(tmp_path / "pets", 10)
    level = "{name: image_folder, path: pets, display: Pets}"
    assert set(swept(dataset=level)["dataset"].values()) == {"Pets"}
    draw(tmp_path / "pets", 20)
    found = swept(dataset=level)["dataset"]
    assert len(found) == 2 and "Pets" in found.values()
    assert next(label for label in found.values() if label != "Pets").startswith("image_folder(")


def test_names_within_regularizers_applied_together(swept: Swept) -> None:
    level = "[[{name: dropout, p: 0.1, display: Drop}, {name: weight_decay, value: 1e-5}], none]"
    assert set(swept(regularizer=level)["regularizer"].values()) == {"Drop+weight_decay(value=1e-05)", "none"}
    other = "[[{name: dropout, p: 0.2, display: Drop}, {name: weight_decay, value: 1e-5}], none]"
    assert set(swept(regularizer=other)["regularizer"].values()) == {
        "Drop+weight_decay(value=1e-05)",
        "dropout(p=0.1)+weight_decay(value=1e-05)",
        "none",
    }
