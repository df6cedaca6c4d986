"""`make site`: no warning, no link that leads nowhere, nothing from the network, anchors for all that has a name."""

import inspect
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import pytest

import orchestrator
import results_schema
from clusters.spec import ClusterSpec, DistributedSpec, SlotSpec
from orchestrator.cli.terminal.reference import every_command
from orchestrator.grid.grid_file import GridFile
from orchestrator.grid.schema import documented, grid_schema, shared_parameters
from tests.test_documents import ROOT
from trainables.protocol import Protocol
from trainables.registry import registry

pytest.importorskip("sphinx", reason="the site is built by the packages of the group docs")

INTERFACES: Final = ("component", "interfaces", "protocol", "dataset", "task", "columns", "context")
"""Modules of `trainables` that whoever writes a component reads."""
MADE_FOR_THEM: Final = ("trainables.context.RunningClock", "trainables.context.SingleContext")
"""What the training loop hands to a component, and no component makes."""
SECTIONS: Final = {
    "dataset": "data-sets",
    "model": "models",
    "optimizer": "optimizers",
    "regularizer": "regularizers",
    "deployment": "deployments",
    "schedule": "schedules",
}
"""Kinds of component to where docs/grid.md has them."""
FETCHED: Final = {"script": "src", "img": "src", "iframe": "src", "link": "href"}
"""What a browser fetches by itself, without anybody's click."""
NOT_FETCHED: Final = {"search", "index", "next", "prev", "canonical", "author", "copyright"}


class Page(HTMLParser):
    """What a page names and where it leads."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.fetched: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.ids |= {given["id"]} if "id" in given else set()
        self.links |= {given["href"]} if tag == "a" and "href" in given else set()
        if tag in FETCHED and FETCHED[tag] in given and given.get("rel") not in NOT_FETCHED:
            self.fetched.add(given[FETCHED[tag]])


@dataclass(frozen=True)
class Built:
    """The site, as `make site` builds it."""

    folder: Path
    exit_code: int
    warnings: str


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("site")
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--builder", "html"]
    ended = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "docs", str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    return Built(folder, ended.returncode, ended.stderr)


@pytest.fixture(scope="module")
def site(built: Built) -> Path:
    return built.folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {file.relative_to(site).as_posix(): Page(file) for file in site.rglob("*.html")}


def test_there_is_no_warning(built: Built) -> None:
    assert built.warnings == ""
    assert built.exit_code == 0


def test_the_recipe_of_make_is_the_one_that_is_tested() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "-m sphinx --fail-on-warning --keep-going --quiet --builder html docs build/site" in recipe


def test_every_link_within_the_site_leads_to_a_page_and_a_place_on_it(site: Path, pages: dict[str, Page]) -> None:
    broken = set()
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (site / name).parent.joinpath(unquote(parts.path)).resolve() if parts.path else site / name
            there = pages.get(target.relative_to(site.resolve()).as_posix()) if parts.path else page
            if not target.exists() or (parts.fragment and there and unquote(parts.fragment) not in there.ids):
                broken.add((name, link))
    assert broken == set()


def test_links_into_the_repository_lead_to_files_that_are_there(pages: dict[str, Page]) -> None:
    ours = "https://github.com/orch-grid/orch/"
    links = {urlsplit(link).path for page in pages.values() for link in page.links if link.startswith(ours)}
    files = {path.partition("/main/")[2] for path in links if "/main/" in path}
    assert len(files) > 10
    assert {file for file in files if not (ROOT / file).exists()} == set()


def test_a_page_asks_the_network_for_nothing(site: Path, pages: dict[str, Page]) -> None:
    fetched = {(name, address) for name, page in pages.items() for address in page.fetched}
    assert len(fetched) > len(pages)
    assert {one for one in fetched if urlsplit(one[1]).netloc} == set()
    styles = "".join(file.read_text(encoding="utf-8") for file in site.rglob("*.css"))
    assert "url(http" not in styles.replace('"', "").replace("'", "")


# Anchors.


def test_every_command_has_an_anchor(pages: dict[str, Page]) -> None:
    commands = {context.command_path.replace(" ", "-") for context in every_command()}
    assert len(commands) > 17
    assert commands - pages["cli.html"].ids == set()


def test_every_column_has_an_anchor(pages: dict[str, Page]) -> None:
    same = {table.name for table in results_schema.TRIAL_TABLES} - {results_schema.TRIALS.name}
    tables = (*results_schema.TABLES, *results_schema.OF_EXAMPLES)
    columns = {f"{table.name}.{column.name}" for table in tables if table.name not in same for column in table.fields}
    assert len(columns) > 150
    assert columns - pages["data-dictionary.html"].ids == set()
    assert {table.name for table in tables} - pages["data-dictionary.html"].ids == set()


def test_every_key_of_a_cluster_file_has_an_anchor(pages: dict[str, Page]) -> None:
    sections = {"keys": ClusterSpec, "slots": SlotSpec, "distributed": DistributedSpec}
    keys = {f"{name}.{key}" for name, section in sections.items() for key in section.model_fields}
    assert len(keys) > 20
    assert keys - pages["cluster-file.html"].ids == set()


def keys_in(schema: Any) -> set[str]:
    """Those of every mapping that a JSON Schema describes, wherever in it."""
    if isinstance(schema, list):
        return set().union(*map(keys_in, schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})).union(*map(keys_in, schema.values()))


def test_every_key_of_a_grid_has_an_anchor(pages: dict[str, Page]) -> None:
    anchors = pages["grid.html"].ids
    assert {f"the-file.{key}" for key in GridFile.model_fields} - anchors == set()
    assert {f"protocol.{key}" for key in Protocol.model_fields} - anchors == set()
    keys = keys_in(grid_schema()) - {"display"}  # of any level: the page begins with it
    assert len(keys) > 150
    assert keys - {"name"} - {anchor.rpartition(".")[2] for anchor in anchors} == set()


def test_every_parameter_of_a_component_has_an_anchor(pages: dict[str, Page]) -> None:
    anchors = pages["grid.html"].ids
    expected = set()
    for kind, section in SECTIONS.items():
        shared = {parameter.name for parameter in shared_parameters(registry.get(kind, registry.names(kind)[0]))}
        expected |= {f"{section}.{name}" for name in shared}
        for component in documented(kind):
            heading = re.sub(r"[^a-z0-9_-]", "", component.name.lower())
            expected |= {f"{heading}.{one.name}" for one in component.parameters if one.name not in shared}
    assert len(expected) > 150
    assert sorted(expected - anchors) == []


def names_of(module: ModuleType) -> set[str]:
    """The classes and functions that a module defines, and the methods of those classes, without underscores."""
    found = set()
    for name, one in vars(module).items():
        if name.startswith("_") or getattr(one, "__module__", None) != module.__name__ or not callable(one):
            continue
        found.add(f"{module.__name__}.{name}")
        if inspect.isclass(one):
            found |= {f"{module.__name__}.{name}.{method}" for method in own_methods(one)}
    return found


@cache
def own_methods(of: type) -> frozenset[str]:
    """Those that its own class writes down, with a docstring."""
    return frozenset(
        name
        for name, one in vars(of).items()
        if not name.startswith("_") and inspect.isroutine(one) and inspect.getdoc(one)
    )


def test_every_public_name_has_an_anchor(pages: dict[str, Page]) -> None:
    offered = {f"orchestrator.{name}" for name in orchestrator.__all__ if name != "OrchError"}
    offered |= {f"orchestrator.Results.{method}" for method in own_methods(orchestrator.Results)}
    offered |= names_of(import_module("orchestrator.errors"))
    for module in INTERFACES:
        offered |= names_of(import_module(f"trainables.{module}"))
    offered -= {name for name in offered if name.startswith(MADE_FOR_THEM)}
    assert len(offered) > 80
    assert sorted(offered - pages["python.html"].ids) == []
