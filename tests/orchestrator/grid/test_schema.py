"""An editor with `orch schema` takes what the reader takes and marks what the reader refuses."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.grid.schema import grid_schema
from orchestrator.grid.source import parse_source, read_source

EXAMPLES = Path(__file__).parents[3] / "examples"
ISSUE = """
name: demo
axes:
  dataset: [digits, {name: image_folder, path: birds}]
  model: [mlp, {name: cnn, channels: [8, 16]}, {name: resnet, depth: [8, 20]}]
  optimizer: [{name: sgd, lr: [0.1, 1e-2], momentum: 0.9}, {name: adam, lr: 0.003}]
  regularizer: [none, [{name: dropout, p: 0.3}, {name: weight_decay, value: 5e-4}]]
seeds: 3
protocol: {epochs: 5, batch_size: 64, precision: fp32, schedule: cosine, select: val_accuracy,
  splits: {validation: 0.1}, trial_timeout: 2h}
resources: {workers: 1, cpus: 1, gpus: 0}
exclude: [{model: resnet, dataset: digits}]
include: []
zip: []
overrides: [{when: {model: resnet}, set: {protocol.epochs: 30}}]
wandb: {mode: auto, project: demo}
"""


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = grid_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def issue() -> dict[str, Any]:
    return json.loads(json.dumps(parse_source(ISSUE, Path("grid.yaml"))))


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_valid(validator: jsonschema.Draft202012Validator, example: Path) -> None:
    assert [error.message for error in validator.iter_errors(read_source(example))] == []


def test_the_grid_of_the_issue_is_valid(validator: jsonschema.Draft202012Validator, issue: dict[str, Any]) -> None:
    assert [error.message for error in validator.iter_errors(issue)] == []


@pytest.mark.parametrize(
    "model",
    [
        "mlp",
        {"name": "cnn", "channels": [[8, 16], [32]]},
        {"name": "cnn", "batch_norm": [True, False]},
        {"name": "cnn", "pool": ["max", "avg"]},
        {"name": "lstm", "hidden": [64, 128]},
        {"name": "mlp", "hidden": 64},
    ],
)
def test_levels_and_lists_to_expand_are_valid(
    validator: jsonschema.Draft202012Validator, issue: dict[str, Any], model: object
) -> None:
    issue["axes"]["model"] = [model]
    assert validator.is_valid(issue)
    issue["axes"]["model"] = model
    assert validator.is_valid(issue)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("name",), "../x"),
        (("name",), "x" * 101),
        (("seeds",), -1),
        (("seeds",), 0),
        (("seeds",), [1, 1]),
        (("epochs",), 3),
        (("axes", "model"), ["no"]),
        (("axes", "model"), []),
        (("axes", "models"), ["mlp"]),
        (("axes", "optimizer", 0, "lr"), -1),
        (("axes", "optimizer", 0, "lr"), "abc"),
        (("axes", "optimizer", 0, "lr"), [0.1, 0]),
        (("axes", "optimizer", 0, "momentun"), 0.9),
        (("axes", "model", 1, "pool"), "mean"),
        (("protocol", "epochs"), 0),
        (("protocol", "epochs"), 1.5),
        (("protocol", "schedule"), "cosin"),
        (("protocol", "trial_timeout"), "2 hours"),
        (("protocol", "splits"), {"train": 0.5}),
        (("resources", "workers"), 0),
        (("zip",), [["model", "optimiser"]]),
        (("overrides", 0, "set"), {"epochs": 3}),
        (("wandb", "mode"), "on"),
    ],
)
def test_what_the_reader_refuses_is_marked(
    validator: jsonschema.Draft202012Validator, issue: dict[str, Any], where: tuple[str | int, ...], value: object
) -> None:
    *parents, last = where
    holder: Any = issue
    for key in parents:
        holder = holder[key]
    holder[last] = value
    assert not validator.is_valid(issue)


def test_every_parameter_says_what_it_is(validator: jsonschema.Draft202012Validator) -> None:
    models = validator.schema["$defs"]["model"]["anyOf"]
    cnn = next(model for model in models if model.get("properties", {}).get("name", {}).get("const") == "cnn")
    assert cnn["properties"]["channels"]["description"] == "Feature maps of each convolution."
    assert cnn["properties"]["channels"]["default"] == [32, 64]
    protocol = validator.schema["$defs"]["Protocol"]["properties"]
    assert protocol["batch_size"]["description"] == "The global batch, over all workers."
