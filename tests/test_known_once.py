"""What has a name of its own is written out where it gets the name, and nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from results_schema import BROKEN, ENDED, FINAL, OPEN, RETRYABLE, STATUSES, TRAINED, UNDER_WAY
from trainables import AXES, KINDS, LEARNING_AXES

ROOT: Final = Path(__file__).parents[1]
FILES: Final = sorted(
    path
    for package in ("orchestrator", "trainables", "clusters", "results_schema")
    for path in (ROOT / package).rglob("*.py")
)
NAMED: Final = {
    frozenset(names)
    for names in (AXES, LEARNING_AXES, KINDS, STATUSES, TRAINED, RETRYABLE, BROKEN, FINAL, ENDED, OPEN, UNDER_WAY)
}
WHERE: Final = {
    "trainables/__init__.py",
    "results_schema/statuses.py",
    "trainables/records.py",  # what a trial says of itself, in a process that has no pyarrow
}


def written_out(path: Path) -> Iterator[frozenset[object]]:
    """The names in each tuple, list and set that holds nothing but texts."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Tuple | ast.List | ast.Set) and all(isinstance(one, ast.Constant) for one in node.elts):
            yield frozenset(one.value for one in node.elts if isinstance(one, ast.Constant))


def test_axes_and_statuses_are_listed_where_they_are_named() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in FILES if NAMED.intersection(written_out(path))}
    assert found == WHERE


def test_near_names_are_looked_for_once_in_each_package_that_may_not_import_another_s() -> None:
    found = {
        path.relative_to(ROOT).as_posix() for path in FILES if "get_close_matches" in path.read_text(encoding="utf-8")
    }
    assert found == {"trainables/errors.py", "clusters/file.py"}
