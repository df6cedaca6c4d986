"""Levels: how they expand, how they are called, and that what is put together from pieces is what the whole would be."""

from pathlib import Path

import pytest

from orchestrator.grid import GridSpec, read_grid
from orchestrator.grid.values import list_depth
from trainables.registry import registry
from trainables.spec import combined_digest


def read(
    tmp_path: Path, *, dataset: str = "digits", model: str = "mlp", optimizer: str = "sgd", rest: str = ""
) -> GridSpec:
    path = tmp_path / "grid.yaml"
    axes = f"axes:\n  dataset: {dataset}\n  model: {model}\n  optimizer: {optimizer}\n"
    path.write_text(f"name: demo\n{axes}{rest}\n", encoding="utf-8")
    return read_grid(path)


@pytest.mark.parametrize(
    ("model", "labels"),
    [
        ("{name: cnn, channels: [8, 16]}", ["cnn(channels=8-16)"]),
        ("{name: cnn, channels: [[8, 16], [32]]}", ["cnn(channels=8-16)", "cnn(channels=32)"]),
        ("{name: cnn, channels: [8, [16, 32]]}", ["cnn(channels=8)", "cnn(channels=16-32)"]),
        ("{name: cnn, hidden: []}", ["cnn(hidden=[])"]),
        ("{name: cnn, hidden: [[], [64]]}", ["cnn(hidden=[])", "cnn(hidden=64)"]),
        ("{name: cnn, batch_norm: [false, true]}", ["cnn(batch_norm=false)", "cnn(batch_norm=true)"]),
        ("[mlp, {name: mlp, hidden: 7}]", ["mlp(hidden=128)", "mlp(hidden=7)"]),
        ("{name: resnet, depth: [8, 20], width: 4}", ["resnet(depth=8)", "resnet(depth=20)"]),
        ("{name: resnet, depth: 8, width: 4}", ["resnet(depth=8,width=4)"]),
        (
            "{name: resnet, width: [4, 8], depth: [8, 14]}",
            [
                "resnet(depth=8,width=4)",
                "resnet(depth=14,width=4)",
                "resnet(depth=8,width=8)",
                "resnet(depth=14,width=8)",
            ],
        ),
    ],
)
def test_lists_expand_where_one_value_is_asked_for(tmp_path: Path, model: str, labels: list[str]) -> None:
    assert [level.label for level in read(tmp_path, model=model).axes.model] == labels


def test_regularizers_applied_together_expand_like_any_other(tmp_path: Path) -> None:
    together = "  regularizer:\n    - none\n    - [{name: dropout, p: [0.1, 0.3]}, {name: weight_decay, value: 1e-5}]"
    grid = read(tmp_path, rest=together)
    assert [level.label for level in grid.axes.regularizer] == [
        "none",
        "dropout(p=0.1)+weight_decay(value=1e-05)",
        "dropout(p=0.3)+weight_decay(value=1e-05)",
    ]
    assert [[part.name for part in level.configs] for level in grid.axes.regularizer][1] == ["dropout", "weight_decay"]


def test_none_beside_another_regularizer_adds_no_level(tmp_path: Path) -> None:
    grid = read(tmp_path, rest="  regularizer: [dropout, [none, dropout], [dropout], none, [none]]")
    assert [level.label for level in grid.axes.regularizer] == ["dropout", "none"]


@pytest.mark.parametrize(
    "model",
    [
        "[mlp, lstm, resnet, {name: cnn, channels: [[8], [8, 16]], kernels: [[3], [5]], batch_norm: [true, false]}]",
        "{name: mlp, hidden: [[1], [2, 3], 4]}",
    ],
)
def test_digests_put_together_from_pieces_are_those_of_the_whole(tmp_path: Path, model: str) -> None:
    optimizers = "[{name: sgd, lr: [1, 0.1, 1e-7], momentum: [0, 0.9]}, {name: adamw, betas: [[0.9, 0.99]]}, rmsprop]"
    rest = "  regularizer: [none, [none, {name: dropout, p: [0.1, 0.2]}, weight_decay], [weight_decay, dropout]]"
    grid = read(tmp_path, model=model, optimizer=optimizers, rest=rest)
    for axis in (grid.axes.dataset, grid.axes.model, grid.axes.optimizer):
        for level in axis:
            assert level.digest == level.config.digest()
    for level in grid.axes.regularizer:
        assert level.combined_digest == combined_digest(level.configs)


def test_a_parameter_left_out_of_the_identity_is_left_out_of_the_pieces_too(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    grid = read(tmp_path, dataset="{name: image_folder, path: [a, b]}")
    first, second = grid.axes.dataset
    assert first.label != second.label
    assert first.digest == second.digest == first.config.digest()


def test_values_are_typed_before_they_are_compared(tmp_path: Path) -> None:
    grid = read(tmp_path, optimizer="{name: sgd, lr: [1, 1.0, 0.5]}")
    assert [level.config.parameters()["lr"] for level in grid.axes.optimizer] == [1.0, 0.5]


def test_a_long_axis_is_each_level_once_as_well(tmp_path: Path) -> None:
    rates = ", ".join(str(rate / 1000) for rate in range(1, 301))
    written = f"[{{name: sgd, lr: [{rates}], momentum: [{rates}]}}, {{name: sgd, lr: [0.001, 0.9], momentum: 0.1}}]"
    axis = read(tmp_path, optimizer=written).axes.optimizer
    assert len(axis) == sum(1 for _ in axis) == 300 * 300 + 1
    assert len({level.digest for level in axis}) == len(axis)


def test_labels_of_a_whole_axis_are_all_different(tmp_path: Path) -> None:
    written = '[{name: image_folder, path: ["a", "a,b", "1", "a=b", "(a)", "a b", "ä", "./a"]}, digits]'
    axis = read(tmp_path, dataset=written).axes.dataset
    labels = [level.label for level in axis]
    assert len(set(labels)) == len(labels) == 9


@pytest.mark.parametrize("rule", ["momentum: 0.9, nesterov: true", "nesterov: [false, true], momentum: [0.5, 0.9]"])
def test_combinations_that_a_component_allows_are_levels(tmp_path: Path, rule: str) -> None:
    assert len(read(tmp_path, optimizer=f"{{name: sgd, {rule}}}").axes.optimizer) in (1, 4)


def test_the_type_says_whether_a_list_is_one_value() -> None:
    assert list_depth(float) == 0
    assert list_depth(str | None) == 0
    assert list_depth(tuple[int, ...]) == 1
    assert list_depth(int | tuple[int, ...]) == 1
    assert list_depth(tuple[tuple[int, int], ...] | None) == 2


@pytest.mark.parametrize("kind", ["model", "optimizer", "regularizer"])
def test_every_builtin_component_stands_as_a_level(tmp_path: Path, kind: str) -> None:
    names = f"[{', '.join(registry.names(kind))}]"
    axes = {
        "model": {"model": names},
        "optimizer": {"optimizer": names},
        "regularizer": {"rest": f"  regularizer: {names}"},
    }
    grid = read(tmp_path, **axes[kind])
    assert [level.label for level in getattr(grid.axes, kind)] == registry.names(kind)
