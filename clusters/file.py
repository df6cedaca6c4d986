"""Reads a cluster file."""

from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from clusters.errors import ClusterSpecError
from clusters.spec import ClusterSpec


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
        raise ClusterSpecError([_worded(name, problem["loc"], problem["msg"]) for problem in error.errors()]) from None


def _text(path: Path) -> tuple[str, str]:
    try:
        return path.read_text(encoding="utf-8"), path.name
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterSpecError([f"cannot read the cluster file {path}: {error}"]) from None


def _worded(name: str, location: tuple[int | str, ...], message: str) -> str:
    return f"{name}: {'.'.join(str(part) for part in location)}: {message}"
