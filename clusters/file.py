"""Reads a cluster file."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from clusters.errors import ClusterSpecError
from clusters.spec import ClusterSpec

Keys = tuple[int | str, ...]
"""Where in the file: the keys from the top down."""


def read_cluster(path: Path | None) -> ClusterSpec:
    """The cluster of a file; `local.yaml` when no file is given. Raises ClusterSpecError with all problems."""
    text, name = (files("clusters").joinpath("local.yaml").read_text(), "local.yaml") if path is None else _text(path)
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ClusterSpecError([f"{where}: {error.problem}"]) from None
    except YAMLError as error:
        raise ClusterSpecError([f"{name}: {error}"]) from None
    if not isinstance(content, dict):
        raise ClusterSpecError([f"{name}:1:1: a cluster file is a mapping such as `address: local`"])
    try:
        return ClusterSpec.model_validate(content)
    except ValidationError as error:
        raise ClusterSpecError(_problems(error, name, text, content)) from None


def _text(path: Path) -> tuple[str, str]:
    try:
        return path.read_text(encoding="utf-8"), path.name
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterSpecError([f"cannot read the cluster file {path}: {error}"]) from None


def _problems(error: ValidationError, name: str, text: str, content: dict[str, Any]) -> list[str]:
    """One line for each key that is wrong, in the order of the file."""
    messages: dict[Keys, list[str]] = {}
    for problem in error.errors():
        keys = _keys(problem["loc"], content)
        messages.setdefault(keys, []).append(_message(problem["msg"]))
    positions = {keys: _position(text, keys) for keys in messages}
    return [
        f"{name}:{positions[keys][0]}:{positions[keys][1]}: {'.'.join(map(str, keys))} {', or '.join(messages[keys])}"
        for keys in sorted(messages, key=lambda keys: positions[keys])
    ]


def _message(message: str) -> str:
    """pydantic's words without its own terms."""
    return "is not a key of a cluster file" if message.startswith("Extra") else message.removeprefix("Input ")


def _keys(location: Keys, content: Any) -> Keys:
    """The keys of the file that a location names: pydantic adds which alternative of a type it tried."""
    keys: list[int | str] = []
    for part in location:
        if not isinstance(content, dict) or part not in content:
            break
        keys.append(part)
        content = content[part]
    return tuple(keys)


def _position(text: str, keys: Keys) -> tuple[int, int]:
    """(line, column) of a key, from 1."""
    line, column = 0, 0
    node = YAML(typ="rt", pure=True).load(text)
    for key in keys:
        line, column = node.lc.key(key)
        node = node[key]
    return line + 1, column + 1
