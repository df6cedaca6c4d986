"""The section `measure`: what is found out about each trained net."""

from typing import Any, cast

from pydantic import ValidationError

from clusters.yaml_file import YamlList, YamlMapping
from orchestrator.grid.mistakes import Gathering, Mistake, Mistakes, as_mistakes, flattened, mistake, shown
from trainables.errors import UnknownComponent
from trainables.interfaces import Measurement
from trainables.registry import registry


def measurements(written: Any) -> tuple[Measurement, ...]:
    """The entries in their order. Raises Mistakes: unknown names, wrong parameters, one entry twice."""
    entries = written if isinstance(written, YamlList) else [written]
    found: dict[bytes, Measurement] = {}
    with Gathering() as gathering:
        for index, entry in enumerate(entries):
            keys = (index,) if isinstance(written, YamlList) else ()
            with gathering.below(*keys):
                made = measurement(entry)
                if made.digest() in found:
                    gathering.add(Mistake(f"{made.name} stands there already, with the same parameters", keys))
                found.setdefault(made.digest(), made)
    return tuple(found.values())


def measurement(written: Any) -> Measurement:
    """One entry: a name, or a mapping with a name and parameters. Raises Mistakes."""
    given = dict(written) if isinstance(written, dict) else {"name": written}
    name = given.pop("name", None)
    if not isinstance(name, str):
        raise mistake(f"{shown(written)} is no measurement: a name, or a mapping with a name and parameters")
    try:
        component = registry.get("measurement", str(name))
    except UnknownComponent as unknown:
        raise mistake(str(unknown), *(("name",) if isinstance(written, dict) else ())) from None
    try:
        return cast(Measurement, component.from_parameters(given))
    except ValidationError as error:
        raise _mistakes(error, written, component.name) from None


def _mistakes(error: ValidationError, written: Any, name: str) -> Mistakes:
    if isinstance(written, YamlMapping):
        return as_mistakes(flattened(error), written, written.at, name)
    first = next(flattened(error))
    return mistake(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}")


def label_of(measurement: Measurement) -> str:
    """`corrupt(pictures=200)`: the name, with the parameters that are not as they are by default."""
    usual = {key: field.get_default() for key, field in type(measurement).model_fields.items()}
    given = measurement.parameters()
    own = {key: given[key] for key in given if getattr(measurement, key) != usual[key]}
    texts = (f"{key}={_short(value)}" for key, value in own.items())
    return f"{measurement.name}({','.join(texts)})" if own else measurement.name


def _short(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)
