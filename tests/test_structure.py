"""docs/structure.md is of this code: every file that it names is there, and holds what it says that it holds."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.test_documents import DOCUMENTS, ROOT, spans_of, text_of
from tests.test_layout import LAYERS, PACKAGES

PAGE: Final = text_of("docs/structure.md")
SECTIONS: Final = dict(part.partition("\n")[::2] for part in PAGE.split("\n## "))
"""Heading to text; the head of the page is among them."""
PATH: Final = re.compile(rf"(?:{'|'.join(sorted(path.name for path in ROOT.iterdir() if path.is_dir()))})/\S*")
DOTTED: Final = re.compile(r"([a-z_]\w*)((?:\.\w+)+)")
OURS: Final = re.compile(r"[A-Z]\w+")
"""A class or a constant, by its name alone."""
OF_RESULTS: Final = {"journal.sqlite", "journal.seal", "journal.mark", "epochs.parquet", "checksums.json"}
"""Files of a results directory."""
MADE_UP: Final = {"trainables/models/linear.py"}
"""By CONTRIBUTING.md, for whoever adds a model."""


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def paths(text: str) -> list[str]:
    return [span for span in spans(text) if PATH.fullmatch(span)]


@cache
def names_in(file: Path) -> frozenset[str]:
    """What a file defines: `run`, `Sweep`, `Sweep.on_event`. What it only imports is another's."""
    return frozenset(_defined(ast.parse(file.read_text(encoding="utf-8")), ""))


def _defined(node: ast.Module | ast.ClassDef, before: str) -> Iterator[str]:
    for part in node.body:
        match part:
            case ast.ClassDef(name=name):
                yield before + name
                yield from _defined(part, f"{before}{name}.")
            case ast.FunctionDef(name=name):
                yield before + name
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                yield before + name


def files(text: str) -> list[Path]:
    return [file for path in paths(text) if path.endswith(".py") and (file := ROOT / path).exists()]


def files_called(module: str, section: str) -> list[Path]:
    """Of the files that a section lists, those of a module's name."""
    return [file for file in files(section) if module == (file.parent if file.stem == "__init__" else file).stem]


def unknown(section: str) -> Iterator[str]:
    """What a section names and is not there: in the files that it lists, and for a class in those that the page lists."""
    for span in spans(section):
        if PATH.fullmatch(span):
            found = (ROOT / span).exists()
        elif (dotted := DOTTED.fullmatch(span)) is not None and span not in OF_RESULTS:
            found = any(dotted[2][1:] in names_in(file) for file in files_called(dotted[1], section))
        else:
            found = OURS.fullmatch(span) is None or any(span in names_in(file) for file in files(PAGE))
        if not found:
            yield span


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_path_and_name_is_there(heading: str) -> None:
    assert list(unknown(SECTIONS[heading])) == []


def test_enough_is_named_that_this_tells_something() -> None:
    assert len({path for path in paths(PAGE) if path.endswith(".py")}) > 80
    assert len({span for span in spans(PAGE) if DOTTED.fullmatch(span)}) > 50


@pytest.mark.parametrize(
    "wrong",
    ["`orchestrator/sweep/lop.py`", "`loop.Sweep.begin`", "`loop.Shape`", "`queue.TrialQueue`", "`Sweeep`"],
)
def test_what_is_not_there_is_reported(wrong: str) -> None:
    """`Shape` is what the loop imports, and the queue stands in a file that this section does not list."""
    assert list(unknown(f"`orchestrator/sweep/loop.py` has `loop.Sweep.on_event` and `Sweep`, and {wrong}")) == [
        wrong.strip("`")
    ]


def test_no_stage_is_longer_than_it_may_be() -> None:
    stages = {heading: text for heading, text in SECTIONS.items() if re.match(r"\d", heading)}
    assert len(stages) == 10
    assert {heading for heading, text in stages.items() if len(text.strip().splitlines()) > 12} == set()


def test_no_layer_is_left_out() -> None:
    layers = {
        f"{package}/{layer}" for package, names in LAYERS.items() for layer in names if layer not in ("", "__main__")
    }
    layers |= {package for package in PACKAGES if package not in LAYERS}
    assert {layer for layer in layers if f"`{layer}" not in PAGE} == set()


def test_every_document_names_files_that_are_there() -> None:
    """From the root, or from a package; of `trainables/{schedule,task}.py` each has to be there."""
    named = {
        (document, path)
        for document in DOCUMENTS
        for span in spans_of(document)
        for word in span.split()
        if PATH.fullmatch(word) or re.fullmatch(r"\w+/\S+\.py", word)
        for path in _each(word)
    }
    assert len(named) > 50
    places = (ROOT, *(ROOT / package for package in PACKAGES))
    there = {path for _, path in named if any((place / path).exists() for place in places)} | MADE_UP
    assert {(document, path) for document, path in named if path not in there} == set()


def _each(word: str) -> list[str]:
    braces = re.fullmatch(r"(.*)\{(.*)\}(.*)", word)
    return [f"{braces[1]}{part}{braces[3]}" for part in braces[2].split(",")] if braces else [word]


def test_every_module_that_is_run_is_there() -> None:
    ran = {
        (document, found)
        for document in DOCUMENTS
        for found in re.findall(r"python -m ([a-z_.]+\w)", text_of(document))
    }
    assert len(ran) > 5
    homes = {"pytest", "venv", "pip", "pdb"}
    modules = {(document, name.replace(".", "/")) for document, name in ran if name not in homes}
    assert {
        one for one in modules if not any((ROOT / f"{one[1]}{end}").exists() for end in (".py", "/__main__.py"))
    } == set()


def test_links_between_documents_lead_somewhere() -> None:
    links = {
        (document, link) for document in DOCUMENTS for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text_of(document))
    }
    inner = {(document, link) for document, link in links if not link.startswith("http")}
    assert len(inner) > 50
    assert {
        (document, link) for document, link in inner if not (ROOT / document).parent.joinpath(link).exists()
    } == set()
