"""The address of a store elsewhere is refused wherever a path is taken, and no folder of that name is made."""

from importlib import import_module
from pathlib import Path

import click
import pytest

from orchestrator import load
from orchestrator.cli import run
from orchestrator.cli.terminal.group import COMMANDS
from orchestrator.cli.terminal.path import LocalPath
from orchestrator.errors import UserError
from orchestrator.store.local_path import VARIABLES, local_path

ADDRESSES = (
    "s3://bucket/x",
    "gs://bucket/x",
    "hdfs://node:8020/x",
    "az+https://a/b",
    "S3://bucket/x",
    "s3:/bucket/x",
    "https://example.org/x",
    "memory://x",
    "ssh://host/x",
)


def test_every_command_takes_its_paths_in_one_way() -> None:
    kinds = {
        f"{name} {parameter.name}": isinstance(parameter.type, LocalPath)
        for name in COMMANDS
        for parameter in import_module(f"orchestrator.cli.{name}").command.params
        if isinstance(parameter.type, click.Path)
    }
    assert len(kinds) > 20
    assert all(kinds.values()), kinds


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "command",
    [
        "sweep grid.yaml --engine inline --results {}",
        "sweep grid.yaml --engine inline --data {}",
        "sweep {}",
        "sweep grid.yaml --cluster {}",
        "plan grid.yaml --results {}",
        "status {}",
        "verify {}",
        "repair {}",
        "report demo --output {}",
        "init {}",
        "doctor --results {}",
    ],
)
def test_an_address_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, address: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(command.format(address).split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{address} is an address")
    assert "give a path" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("variable", VARIABLES)
def test_so_is_one_in_the_environment(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "s3://bucket/x")
    assert run(["list", "models"]) == 2
    assert capsys.readouterr().err.startswith(f"{variable}: s3://bucket/x is an address")


@pytest.mark.parametrize("given", ["s3://bucket/x", Path("s3://bucket/x")])
def test_so_is_one_in_a_notebook(given: str | Path) -> None:
    with pytest.raises(UserError, match="is an address"):
        load(given)


@pytest.mark.parametrize("given", ["file:///data/x", "file:/data/x", "FILE:///data/x"])
def test_a_file_address_is_told_as_the_path_that_it_means(given: str) -> None:
    with pytest.raises(UserError, match=r"give /data/x$"):
        local_path(given)


@pytest.mark.parametrize("given", ["a:b", "./s3://x", "/s3:/x", "C:/x", "results/10:30", "s3:x", ""])
def test_a_path_is_none(given: str) -> None:
    assert local_path(given) == Path(given)
