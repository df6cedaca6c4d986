"""What is said of the package in several files is the same in all of them."""

import tomllib
from typing import Any, Final

from ruamel.yaml import YAML

from tests.test_documents import ROOT

PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION: Final[dict[str, Any]] = YAML(typ="safe", pure=True).load(ROOT / "CITATION.cff")


def test_the_citation_is_of_this_version() -> None:
    assert CITATION["version"] == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["repository-code"] == PROJECT["urls"]["Source"]
    assert {"cff-version", "message", "title", "authors"} <= CITATION.keys(), "what the format requires"


def test_addresses_of_the_project_lead_to_files_that_are_there() -> None:
    paths = [
        path
        for url in PROJECT["urls"].values()
        if (path := url.removeprefix(f"{PROJECT['urls']['Source']}/blob/main/")) != url
    ]
    assert len(paths) == 2
    assert [path for path in paths if not (ROOT / path).is_file()] == []
