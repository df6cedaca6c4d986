"""Reads a cluster file."""

import difflib
import unicodedata
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, ScalarEvent

from clusters.errors import ClusterSpecError, first_line
from clusters.kinds import KINDS, kind_of
from clusters.spec import ClusterSpec

Keys = tuple[int | str, ...]
"""Where in the file: the keys from the top down."""

_MAX_BYTES: Final = 100_000
_MAX_VALUES: Final = 1_000
"""With every alias counted as often as it stands, so that a few lines cannot unfold into gigabytes."""
_DEEPEST: Final = 40
_LONGEST: Final = 4_096
"""Characters of a value: of a path, on Linux."""


def read_cluster(path: Path | None) -> ClusterSpec:
    """The cluster of a file; `local.yaml` when no file is given. Raises ClusterSpecError with all problems."""
    text, name = (files("clusters").joinpath("local.yaml").read_text(), "local.yaml") if path is None else _text(path)
    spec = parse_cluster(text, name)
    if path is None or spec.token_file is None:
        return spec
    try:
        token_file = Path(spec.token_file).expanduser()
    except RuntimeError as error:  # a user without a name or a home
        said = f"{spec.token_file} begins with the home folder of a user: {error}; write the whole path"
        raise ClusterSpecError(_located({("token_file",): [said]}, name, text)) from None
    return spec.model_copy(update={"token_file": str(path.absolute().parent / token_file)})


def parse_cluster(text: str, name: str) -> ClusterSpec:
    """The cluster of a file's text. Raises ClusterSpecError with all problems."""
    try:
        _refuse_unfit(text, name)
        content = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"
        raise ClusterSpecError([f"{where}: {_one_line(error.problem or error.context or 'not valid YAML')}"]) from None
    except (YAMLError, ValueError, RecursionError) as error:
        said = "nested too deep" if isinstance(error, RecursionError) else first_line(error)
        raise ClusterSpecError([f"{name}:1:1: not valid YAML: {_one_line(said)}"]) from None
    if not isinstance(content, dict):
        raise ClusterSpecError([f"{name}:1:1: a cluster file is a mapping such as `address: local`"])
    odd: dict[Keys, list[str]] = {(key,): [said] for key, value in content.items() if (said := _odd(value))}
    if odd:
        raise ClusterSpecError(_located(odd, name, text))
    try:
        spec = ClusterSpec.model_validate(content)
    except ValidationError as error:
        raise ClusterSpecError(_located(_wrong(error, content), name, text)) from None
    messages = {key: [message] for key, message in _contradictions(spec, content)}
    if messages:
        raise ClusterSpecError(_located(messages, name, text))
    return spec


def _refuse_unfit(text: str, name: str) -> None:
    """What would take long to load, or what Python refuses without a place. Raises ClusterSpecError."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _DEEPEST:
            raise ClusterSpecError([f"{name}:1:1: nested more than {_DEEPEST} deep"])
        if not isinstance(event, ScalarEvent):
            continue
        where = f"{name}:{event.start_mark.line + 1}:{event.start_mark.column + 1}"
        if event.value == "<<" and event.style is None:
            raise ClusterSpecError([f"{where}: merge keys (<<) are not part of YAML 1.2; write the keys out"])
        if len(event.value) > _LONGEST:
            raise ClusterSpecError([f"{where}: a value of {len(event.value):,} characters, which none has here"])


def _text(path: Path) -> tuple[str, str]:
    try:
        if not path.is_file():
            found = "is not a file" if path.exists() else "is not there"
            raise ClusterSpecError([f"{path.name}:1:1: the cluster file {path} {found}"])
        if path.stat().st_size > _MAX_BYTES:
            raise ClusterSpecError([f"{path.name}:1:1: larger than {_MAX_BYTES // 1000} kB, which no cluster file is"])
        with path.open(encoding="utf-8") as file:
            return file.read(_MAX_BYTES + 1), path.name  # no more, if it grows meanwhile
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, or no UTF-8
        raise ClusterSpecError([f"{path.name}:1:1: cannot read the cluster file {path}: {error}"]) from None


def _odd(value: object) -> str:
    """Return why a value is nothing that anybody writes into a cluster file, before anything looks at it; else empty."""
    waiting, seen = [(value, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if seen > _MAX_VALUES:
            return f"unfolds into more than {_MAX_VALUES:,} values"
        if depth > _DEEPEST:
            return f"is nested more than {_DEEPEST} deep"
        if isinstance(part, str) and (sign := next((sign for sign in part if _is_no_text(sign)), None)):
            return f"holds {sign!r}, which is no character of a name"
        inner = (*part, *part.values()) if isinstance(part, dict) else part if isinstance(part, list | set) else ()
        waiting += [(each, depth + 1) for each in inner]
    return ""


def _is_no_text(sign: str) -> bool:
    """Control characters, marks of direction, and halves of characters."""
    return unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _contradictions(spec: ClusterSpec, content: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Keys whose values are right and do not go together."""
    if spec.access.address is None and "address" not in content:
        yield ("kind",), f"{spec.kind} needs an address such as {spec.access.example}"
    elif "kind" in content and (meant := kind_of(spec.address)) is not spec.access:
        yield ("address",), f"{spec.address} is for kind {meant.name}, and the kind here is {spec.kind}"
    for key in content:
        kinds = [kind.name for kind in KINDS.values() if key in kind.keys]
        if kinds and spec.kind not in kinds:
            yield (key,), f"is for kind {' and '.join(kinds)}, and the kind here is {spec.kind}"


def _wrong(error: ValidationError, content: dict[str, Any]) -> dict[Keys, list[str]]:
    """Return what is wrong with the value of each key."""
    messages: dict[Keys, list[str]] = {}
    for problem in error.errors():
        keys = _keys(problem["loc"], content)
        messages.setdefault(keys, []).append(_message(problem["msg"], keys, problem.get("input")))
    return messages


def _located(messages: dict[Keys, list[str]], name: str, text: str) -> list[str]:
    """Return one line for each key that is wrong, in the order of the file."""
    positions = {keys: _position(text, keys) for keys in messages}
    return [
        f"{name}:{positions[keys][0]}:{positions[keys][1]}: {_one_line('.'.join(map(str, keys)))} "
        f"{', or '.join(messages[keys])}"
        for keys in sorted(messages, key=lambda keys: positions[keys])
    ]


def _message(message: str, keys: Keys, value: object) -> str:
    """pydantic's words without its own terms, and with a near name."""
    if message.startswith("Extra"):
        return f"is not a key of a cluster file{_near(keys[-1], _names(keys[:-1]))}"
    if keys == ("address",):
        return "should be local, auto, HOST:PORT or http://HOST:PORT, with a port from 1 to 65535"
    said = message.removeprefix("Input ").removeprefix("String ")
    return said + (_near(value, list(KINDS)) if keys == ("kind",) else "")


def _near(name: object, known: Sequence[str]) -> str:
    """A hint at the name that the user may have meant; empty where none is like it."""
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _names(keys: Keys) -> list[str]:
    """The keys that may stand there."""
    part: type[BaseModel] = ClusterSpec
    for key in keys:
        inner = part.model_fields[str(key)].annotation
        assert isinstance(inner, type) and issubclass(inner, BaseModel)
        part = inner
    return list(part.model_fields)


def _one_line(text: str) -> str:
    """Escape what would break the line or steer a terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


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
