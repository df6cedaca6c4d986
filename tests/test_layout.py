"""The architecture shows in the folders: imports go from layer to layer one way, and no file is two."""

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES: Final = ("clusters", "trainables", "results_schema", "orchestrator")
FILES: Final = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
"""Modules and their files."""
LAYERS: Final = {
    "trainables": (
        *(
            "",
            "process_state",
            "data",
            "fusion",
            "training",
            "stages",
            "models",
            "optimizers",
            "regularizers",
            "schedules",
        ),
        *("datasets", "tasks", "deployments", "measurements", "monitoring"),
    ),
    "orchestrator": (
        *("", "engine", "grid", "store", "plan", "evidence", "results", "report", "figures", "notebook"),
        *("wandb", "conversion", "watch", "sweep", "remote"),
        *("doctor", "cli", "__main__"),
    ),
}
"""From what all may import to what none may: each layer imports from those before it, "" is the package's top."""
MAX_AT_THE_TOP: Final = {"orchestrator": 6, "trainables": 13}
MAX_IN_A_FOLDER: Final = 26
MAX_LINES: Final = 400
OF_COMPONENTS: Final = frozenset(
    ("datasets", "models", "optimizers", "regularizers", "schedules", "tasks", "deployments", "measurements", "cli")
)
"""A component or a command a file: as many as there are."""


def imports(module: str) -> Iterator[str]:
    """Our modules that a file imports, wherever in it: within functions and for its types too."""
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FILES)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                within = f"{node.module}.{alias.name}"
                if within in FILES:
                    yield within
                elif node.module in FILES:
                    yield node.module


GRAPH: Final = {module: set(imports(module)) - {module} for module in FILES}


def layer(module: str) -> tuple[str, str]:
    """Package and layer, where the layer is "" at the top of a package."""
    package, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    return package, first if first in LAYERS.get(package, ()) else ""


def test_no_module_imports_itself_by_way_of_others() -> None:
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize("package", LAYERS)
def test_rooms_import_one_way(package: str) -> None:
    order = LAYERS[package]
    wrong = {
        f"{module} imports {imported}"
        for module, there in GRAPH.items()
        for imported in there
        if layer(module)[0] == layer(imported)[0] == package
        and order.index(layer(module)[1]) < order.index(layer(imported)[1])
        and module != package  # it hands on what its layers offer
    }
    assert wrong == set()


def test_every_folder_is_a_room_of_the_list() -> None:
    for package, order in LAYERS.items():
        folders = {path.name for path in (ROOT / package).iterdir() if (path / "__init__.py").exists()}
        assert folders <= set(order)


@pytest.mark.parametrize("package", MAX_AT_THE_TOP)
def test_few_modules_stand_at_the_top(package: str) -> None:
    assert len(list((ROOT / package).glob("*.py"))) <= MAX_AT_THE_TOP[package]


def test_a_folder_can_be_taken_in() -> None:
    folders = Counter(path.parent.relative_to(ROOT) for path in FILES.values())
    crowded = {folder: count for folder, count in folders.items() if count > MAX_IN_A_FOLDER}
    assert {folder for folder in crowded if folder.name not in OF_COMPONENTS} == set()


def test_a_file_can_be_read_in_one_go() -> None:
    lines = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in FILES.items()}
    assert {module: count for module, count in lines.items() if count > MAX_LINES} == {}
