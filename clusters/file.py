"""Reads a cluster file."""

import difflib
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from clusters.errors import ClusterSpecError
from clusters.kinds import KINDS, kind_of
from clusters.spec import ClusterSpec
from clusters.yaml_file import At, Keys, NotYaml, YamlMapping, find, model_at, parse

_OTHER: Final = re.compile(r"[^\w.\- ]")
"""What a cluster's name does not have."""
_MAX_NAME: Final = 64
_MAX_BYTES: Final = 100_000
_MAX_VALUES: Final = 1_000
_LONGEST: Final = 4_096
"""Characters of a value: of a path, on Linux."""


def read_cluster(path: Path | None) -> ClusterSpec:
    """The cluster of a file, which is called as the file is where that does not say; `local.yaml` when no file is given.

    Raises ClusterSpecError with all problems.
    """
    text, name = (files("clusters").joinpath("local.yaml").read_text(), "local.yaml") if path is None else _text(path)
    spec = parse_cluster(text, name)
    if path is not None and "name" not in spec.model_fields_set:
        spec = spec.model_copy(update={"name": _OTHER.sub("-", path.stem)[:_MAX_NAME]})
    if path is None or spec.token_file is None:
        return spec
    try:
        token_file = Path(spec.token_file).expanduser()
    except RuntimeError as error:  # a user without a name or a home
        said = f"{spec.token_file} begins with the home folder of a user: {error}; write the full path"
        raise ClusterSpecError(_located({("token_file",): [said]}, name, _content(text, name))) from None
    return spec.model_copy(update={"token_file": str(path.absolute().parent / token_file)})


def parse_cluster(text: str, name: str) -> ClusterSpec:
    """The cluster of a file's text. Raises ClusterSpecError with all problems."""
    content = _content(text, name)
    try:
        spec = ClusterSpec.model_validate(content)
    except ValidationError as error:
        raise ClusterSpecError(_located(_wrong(error, content), name, content)) from None
    messages = {key: [message] for key, message in _contradictions(spec, content)}
    if messages:
        raise ClusterSpecError(_located(messages, name, content))
    return spec


def _content(text: str, name: str) -> YamlMapping:
    try:
        content = parse(text, max_values=_MAX_VALUES, max_length=_LONGEST)
    except NotYaml as error:
        raise ClusterSpecError([_line(name, error.at, error.message)]) from None
    if not isinstance(content, YamlMapping):
        raise ClusterSpecError([f"{name}:1:1: a cluster file is a mapping such as `address: local`"])
    return content


def _text(path: Path) -> tuple[str, str]:
    try:
        if not path.is_file():
            found = "is not a file" if path.exists() else "is not there"
            raise ClusterSpecError([f"{path.name}:1:1: the cluster file {path} {found}"])
        if path.stat().st_size > _MAX_BYTES:
            raise ClusterSpecError(
                [f"{path.name}:1:1: larger than {_MAX_BYTES // 1000} kB, too large for a cluster file"]
            )
        with path.open(encoding="utf-8") as file:
            return file.read(_MAX_BYTES + 1), path.name  # no more, if it grows meanwhile
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, or no UTF-8
        raise ClusterSpecError([f"{path.name}:1:1: cannot read the cluster file {path}: {error}"]) from None


def _contradictions(spec: ClusterSpec, content: YamlMapping) -> Iterator[tuple[Keys, str]]:
    """Keys whose values are right and do not go together."""
    if spec.access.address is None and "address" not in content:
        yield ("kind",), f"{spec.kind} needs an address such as {spec.access.example}"
    elif "kind" in content and (meant := kind_of(spec.address)) is not spec.access:
        yield ("address",), f"{spec.address} is for kind {meant.name}, and the kind here is {spec.kind}"
    for key in content:
        kinds = [kind.name for kind in KINDS.values() if key in kind.keys]
        if kinds and spec.kind not in kinds:
            yield (key,), f"is for kind {' and '.join(kinds)}, and the kind here is {spec.kind}"


def _wrong(error: ValidationError, content: YamlMapping) -> dict[Keys, list[str]]:
    """Return what is wrong with the value of each key."""
    messages: dict[Keys, list[str]] = {}
    for problem in error.errors():
        keys = find(content, content.at, problem["loc"]).keys
        messages.setdefault(keys, []).append(_message(problem["msg"], keys, problem.get("input")))
    return messages


def _located(messages: dict[Keys, list[str]], name: str, content: YamlMapping) -> list[str]:
    """Return one line for each key that is wrong, in the order of the file."""
    positions = {keys: find(content, content.at, keys).key_at for keys in messages}
    return [
        _line(name, positions[keys], f"{'.'.join(map(str, keys))} {', or '.join(messages[keys])}")
        for keys in sorted(messages, key=lambda keys: positions[keys])
    ]


def _line(name: str, at: At, message: str) -> str:
    """Return a line with escapes for what would break it or steer a terminal."""
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in message)
    return f"{name}:{at.line}:{at.column}: {shown}"


def _message(message: str, keys: Keys, value: object) -> str:
    """pydantic's words without its own terms, and with a near name."""
    if message.startswith("Extra"):
        part = model_at(ClusterSpec, keys[:-1])
        return f"is not a key of a cluster file{_near(keys[-1], list(part.model_fields) if part else ())}"
    if keys == ("address",):
        *forms, last = (form for kind in KINDS.values() for form in kind.forms)
        return f"should be {', '.join(forms)} or {last}, with a port from 1 to 65535"
    said = message.removeprefix("Input ").removeprefix("String ")
    return said + (_near(value, list(KINDS)) if keys == ("kind",) else "")


def _near(name: object, known: Sequence[str]) -> str:
    """A hint at the name that the user may have meant; empty where none is like it."""
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
