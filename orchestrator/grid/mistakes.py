"""What is wrong in a grid file: raised where it is found, and reported in a user's words with its place."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from clusters.yaml_file import At, Keys, find, model_at
from orchestrator.errors import GridError, Problem
from orchestrator.text import counted
from trainables.errors import alike, meant

_MAX: Final = 100
"""Mistakes that are reported, at most; looking for more could take minutes."""


Result = TypeVar("Result")
Message = str | Callable[[], str]
"""Called only where it is reported: to look for near names takes its time."""
Placed = tuple[At, Message]


class Mistake(NamedTuple):
    """One thing that is wrong in what is read."""

    message: Message
    keys: Keys = ()
    """Where it stands, from what is read on."""
    of_key: bool = False
    """Whether the last of the keys is wrong, and not its value."""
    at: At | None = None
    """Its place, where that is not within what is read."""
    named: bool = False
    """Whether the message goes on from the name of the list's entry that is read, such as `claims[0]`."""


class Mistakes(ValueError):
    """Something that is read cannot be used."""

    def __init__(self, found: Sequence[Mistake]) -> None:
        super().__init__()
        self.found = tuple(found)

    def placed(self, value: Any, at: At, location: Keys = ()) -> Iterator[Placed]:
        """Yield place and message of each. value, at: what was read; location: where in it this was raised."""
        for wrong in self.found:
            found = find(value, at, (*location, *wrong.keys))
            name = f"{_subject('', _item(find(value, at, location).keys))} " if wrong.named else ""
            message = wrong.message
            yield (
                wrong.at or (found.key_at if wrong.of_key else found.at),
                f"{name}{message}" if isinstance(message, str) else message,
            )


def mistake(
    message: Message, *keys: int | str, at: At | None = None, of_key: bool = False, named: bool = False
) -> Mistakes:
    """Return one of them, to be raised."""
    return Mistakes([Mistake(message, keys, of_key, at, named)])


class Gathering:
    """Goes on after a mistake, and raises all of them as one in the end, or when there are a hundred."""

    def __init__(self) -> None:
        self._found: list[Mistake] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        if kind is None and self._found:
            raise Mistakes(self._found)

    def add(self, *found: Mistake) -> None:
        """Keep what is wrong."""
        self._found += found
        if len(self._found) >= _MAX:
            raise Mistakes(self._found)

    @contextmanager
    def below(self, *keys: int | str) -> Iterator[None]:
        """Keep whatever is raised within, as wrong there."""
        try:
            yield
        except Mistakes as wrong:
            self.add(*[found._replace(keys=(*keys, *found.keys)) for found in wrong.found])

    def known(self, given: Iterable[str], known: Iterable[str], what: str) -> None:
        """Keep every key that is not known, with near names."""
        names = list(known)
        for key in given:
            if key not in names:
                self.add(Mistake(partial(_unknown, what, key, names), (key,), of_key=True))


def each(read: Callable[[Any], Result], items: Iterable[tuple[int | str, Any]]) -> list[Result]:
    """Return what is read of each item. items: each with its key. Raises Mistakes: those of all of them."""
    results = []
    with Gathering() as gathering:
        for key, item in items:
            with gathering.below(key):
                results.append(read(item))
    return results


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    return f"unknown {what} {name!r}; {near(name, known)}" if known else f"unknown {what} {name!r}"


def near(name: str, known: Sequence[str]) -> str:
    """A hint at the names that the user may have meant."""
    return meant(alike(name, known), f"known: {', '.join(known)}")


def shown(value: Any) -> str:
    """A value as the user may have written it, cut where it is long."""
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def grid_error(path: Path, wrong: Iterable[Placed]) -> GridError:
    """Return all that is wrong in a grid file as one error, in the order of the file."""
    first = sorted(wrong, key=lambda placed: placed[0])[:_MAX]
    found = {(at, message if isinstance(message, str) else message()) for at, message in first}
    return GridError([Problem(str(path), at.line, at.column, message) for at, message in sorted(found)])


# pydantic's errors in a user's words, each with the place of its value.


def reported(
    errors: Iterable[ErrorDetails], value: Any, at: At, name: str, model: type[BaseModel] | None = None
) -> list[Placed]:
    """Return place and message of each of the first hundred errors. What the branches of a union ask for is one message.

    name: what the user calls the value (`protocol`, or a parameter); empty for a whole grid. model: what it was read as.
    """
    groups: dict[tuple[At, Keys, int | str], list[ErrorDetails]] = {}
    above: set[Keys] = set()
    placed: list[Placed] = []
    for details in islice(errors, _MAX):
        wrong = details.get("ctx", {}).get("error")
        if isinstance(wrong, Mistakes):
            placed += wrong.placed(value, at, details["loc"])
            continue
        found, kind = find(value, at, details["loc"]), details["type"]
        above |= {found.keys[:length] for length in range(len(found.keys) + (kind == "missing"))}
        group = (found.at, found.keys, details["loc"][-1] if kind == "missing" else "")
        if kind == "extra_forbidden":
            group = (found.key_at, found.keys[:-1], found.keys[-1])
        groups.setdefault(group, []).append(details)
    kept = {group: alike for group, alike in groups.items() if group[1] not in above or not _is_of_branches(alike)}
    return [*placed, *((here, partial(_message, name, keys, model, alike)) for (here, keys, _), alike in kept.items())]


def as_mistakes(
    errors: Iterable[ErrorDetails], value: Any, at: At, name: str, model: type[BaseModel] | None = None
) -> Mistakes:
    """Return what pydantic finds wrong in a value that was read by itself, as for `reported`, to be raised."""
    return Mistakes([Mistake(message, at=place) for place, message in reported(errors, value, at, name, model)])


def flattened(error: ValidationError) -> Iterator[ErrorDetails]:
    """Yield the errors, with those of a component inside a component in place of the one that wraps them."""
    for details in error.errors(include_url=False):
        inner = details.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):
            for part in flattened(inner):
                part["loc"] = details["loc"] + part["loc"]
                yield part
        else:
            yield details


def _subject(name: str, keys: Keys) -> str:
    steps = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys]
    return f"{name}{''.join(steps)}".removeprefix(".")


def _item(keys: Keys) -> Keys:
    """Return the innermost entry of a list that something stands in."""
    numbers = [place for place, key in enumerate(keys) if isinstance(key, int)]
    return keys[: numbers[-1] + 1] if numbers else keys


_TYPES: Final = frozenset({"int", "float", "bool", "str", "none"})


def _is_of_branches(errors: Sequence[ErrorDetails]) -> bool:
    """Return whether they are of alternatives of a type, of which a deeper error says more."""
    branches = (isinstance(step, str) and ("[" in step or step in _TYPES) for step in errors[0]["loc"])
    return errors[0]["type"] not in {"missing", "extra_forbidden"} and any(branches)


_DEMANDS: Final = {
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "finite_number": "a finite number",
    "int_parsing_size": "a smaller number",
    "string_type": "text",
    "none_required": "null",
    "literal_error": "one of {expected}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "text of at least {characters}",
    "string_too_long": "text of at most {characters}",
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping"),
}


def _demand(details: ErrorDetails) -> str:
    limits = details.get("ctx", {})
    characters = counted(limits.get("min_length", limits.get("max_length", 0)), "character")
    expected = str(limits.get("expected", "")).replace("'", "").replace(" or ", ", ")
    return _DEMANDS[details["type"]].format(**{**limits, "characters": characters, "expected": expected})


def _message(name: str, keys: Keys, model: type[BaseModel] | None, errors: Sequence[ErrorDetails]) -> str:
    details, subject = errors[0], _subject(name, keys)
    kind, last = details["type"], details["loc"][-1] if details["loc"] else ""
    part = None if model is None else model_at(model, keys)
    if kind == "missing":
        lacking = counted(last + 1, "entry") if isinstance(last, int) else getattr(part, "lacking", {}).get(last, last)
        return f"{subject or 'the grid'} needs {lacking}"
    if kind == "extra_forbidden":
        what = getattr(part, "noun", "key of {}").format(subject)
        return _unknown(what.removesuffix(" of "), str(last), [] if part is None else list(part.model_fields))
    if kind == "model_type" and part is not None and len(errors) == 1:
        return f"{subject} has to be a mapping with keys such as {', '.join(list(part.model_fields)[:3])}"
    if demands := dict.fromkeys(_demand(one) for one in errors if one["type"] in _DEMANDS):
        return f"{subject} has to be {' or '.join(demands)}, not {shown(details['input'])}"
    if kind == "value_error":
        reason = str(details["ctx"]["error"])
        return reason if reason.startswith(subject) else f"{subject}: {reason}"
    return f"{subject}: {details['msg'][:1].lower()}{details['msg'][1:]}, not {shown(details['input'])}"
