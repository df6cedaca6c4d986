"""The source of a component: its own file, and what that imports of its own package where it builds something."""

import ast
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from inspect import getsourcefile
from pathlib import Path

from trainables.component import Component


@cache
def source_digest(components: tuple[type[Component], ...]) -> str:
    """16 hex digits of the files of these components."""
    digest = blake2b(digest_size=8)
    for component in components:
        digest.update(_source(component))
    return digest.hexdigest()


@cache
def _source(component: type[Component]) -> bytes:
    file = getsourcefile(component)
    if file is None:  # typed into an interpreter
        return component.__qualname__.encode()
    package = component.__module__.partition(".")[0]
    found: dict[Path, bytes] = {}
    waiting = [Path(file)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = path.read_bytes()
            waiting += _imported_late(found[path], package)
    return b"".join(found[path] for path in sorted(found))


def _imported_late(source: bytes, package: str) -> Iterator[Path]:
    """Files of the package that functions import. What stands at the top is shared by all components, and is not theirs."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == package and not node.level:
                spec = find_spec(node.module or "")
                if spec is not None and spec.origin is not None and spec.has_location:
                    yield Path(spec.origin)
