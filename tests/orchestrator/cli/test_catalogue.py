"""`orch list`, `orch schema` and `orch init` as a user sees them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cli import init, schema
from orchestrator.cli import list as list_
from orchestrator.errors import UserError
from orchestrator.grid.reader import read_grid
from trainables.registry import registry


def test_list_shows_every_component_with_its_parameters() -> None:
    shown = CliRunner().invoke(list_.command, []).output
    for kind in ("dataset", "model", "optimizer", "regularizer", "schedule"):
        assert f"\n{kind}\n" in f"\n{shown}"
        for name in registry.names(kind):
            assert f"  {name}  " in shown
    assert "      lr (number; default 0.1): Learning rate." in shown
    assert "      path (text; required)" in shown


def test_list_of_one_kind_leaves_out_the_others() -> None:
    shown = CliRunner().invoke(list_.command, ["optimizer"]).output
    assert "sgd" in shown
    assert "mlp" not in shown


def test_list_as_json_holds_defaults_as_yaml_would() -> None:
    components = json.loads(CliRunner().invoke(list_.command, ["model", "--json"]).stdout)
    listed, known = [component["name"] for component in components], registry.names("model")
    assert listed[: len(known)] == known
    assert "torchvision:NAME" in listed
    cnn = next(component for component in components if component["name"] == "cnn")
    assert cnn["parameters"][0] == {
        "name": "channels",
        "type": "list of whole numbers",
        "default": "[32, 64]",
        "about": "Feature maps of each convolution.",
    }


def test_list_refuses_an_unknown_kind() -> None:
    refused = CliRunner().invoke(list_.command, ["modle"])
    assert refused.exit_code == 2
    assert "'modle' is not one of" in refused.output


def test_schema_is_json() -> None:
    printed = json.loads(CliRunner().invoke(schema.command, []).stdout)
    assert printed["required"] == ["name", "axes"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("grid.yaml", "grid"),
        ("my birds (2).yaml", "my-birds-2-"),
        (".hidden", "hidden"),
        ("Vögel.yml", "V-gel"),
        ("_", "my-sweep"),
    ],
)
def test_init_writes_a_grid_that_is_valid_as_it_stands(tmp_path: Path, file: str, name: str) -> None:
    written = CliRunner().invoke(init.command, [str(tmp_path / file)])
    assert written.exit_code == 0, written.output
    grid = read_grid(tmp_path / file)
    assert grid.name == name
    assert grid.warnings == ()
    assert [len(axis) for axis in grid.axes] == [1, 2, 3, 2, 1]


def test_init_never_overwrites(tmp_path: Path) -> None:
    mine = tmp_path / "grid.yaml"
    mine.write_text("mine")
    refused = CliRunner().invoke(init.command, [str(mine)])
    assert isinstance(refused.exception, UserError)
    assert "exists" in str(refused.exception)
    assert mine.read_text() == "mine"


def test_init_says_where_it_cannot_write(tmp_path: Path) -> None:
    refused = CliRunner().invoke(init.command, [str(tmp_path / "missing" / "grid.yaml")])
    assert isinstance(refused.exception, UserError)
    assert "cannot write" in str(refused.exception)
