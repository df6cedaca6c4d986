"""What the user wrote for a component: a name, or a mapping with a name and parameters."""

from pydantic import ValidationError

from orchestrator.grid import yaml_file
from orchestrator.grid.levels import Entry, Family
from orchestrator.grid.problems import Problems, flattened, shown
from orchestrator.grid.values import Value, invalid_combination, split, validated, value_of
from orchestrator.grid.yaml_file import At, Node, Scalar, plain
from trainables.component import Component
from trainables.errors import UnknownComponent
from trainables.registry import registry


def read_entry(axis: str, node: Node, problems: Problems) -> Entry | None:
    """An entry of an axis; None where something is wrong with it, which is then noted."""
    if axis == "regularizer" and isinstance(node, yaml_file.Sequence):
        if not node.items:
            problems.add(node.at, "an empty list of regularizers; write none")
        families = [read_family(axis, item, problems) for item in node.items]
        _each_once(node.at, families, problems)
    else:
        families = [read_family(axis, node, problems)]
    known = tuple(family for family in families if family is not None)
    return Entry(known, node.at) if known and len(known) == len(families) else None


def _each_once(at: At, families: list[Family | None], problems: Problems) -> None:
    """Of two dropouts together the one would undo the other in silence."""
    names = [family.component.name for family in families if family is not None]
    for name in sorted({name for name in names if names.count(name) > 1 and name != "none"}):
        problems.add(at, f"{name} stands twice among the regularizers of one level; keep one of them")


def read_component(kind: str, node: Node, problems: Problems) -> tuple[type[Component], yaml_file.Mapping] | None:
    """The component that a node names, and its parameters as they stand; None where it has no known name."""
    match node:
        case Scalar(str() as name, at):
            parameters = yaml_file.Mapping({}, at, 1)
        case yaml_file.Mapping() if isinstance(named := node.get("name"), Scalar) and isinstance(named.value, str):
            name, at, parameters = named.value, named.at, node.without("name")
        case yaml_file.Mapping() if "name" in node:
            problems.add(node.entries["name"].value.at, f"the name of {_one(kind)} has to be text")
            return None
        case yaml_file.Mapping():
            problems.add(node.at, f"{_one(kind)} written as a mapping needs the key name")
            return None
        case _:
            value = shown(plain(node))
            problems.add(node.at, f"{_one(kind)} has to be a name or a mapping with a name, not {value}")
            return None
    try:
        component = registry.get(kind, name)
    except UnknownComponent as unknown:
        problems.add(at, str(unknown))
        return None
    problems.unknown_keys(parameters, component.model_fields, f"parameter of {name}")
    return component, parameters


def _one(kind: str) -> str:
    return f"an {kind}" if kind == "optimizer" else f"a {kind}"


def read_family(kind: str, node: Node, problems: Problems) -> Family | None:
    """A component with all values of its parameters, each validated where it stands."""
    before = len(problems)
    found = read_component(kind, node, problems)
    if found is None:
        return None
    component, parameters = found
    parameters = parameters.without(*(key for key, _ in parameters if key not in component.model_fields))
    missing = [key for key, field in component.model_fields.items() if field.is_required() and key not in parameters]
    if missing:
        problems.add(node.at, f"{component.name} needs {' and '.join(missing)}")
        return None
    written = {key: split(component, key, entry.value) for key, entry in parameters}
    given = _values(component, written, node, problems)
    base = _base(component, given, node.at, problems) if len(problems) == before else None
    if base is None:
        return None
    places = {key: entry.at for key, entry in parameters}
    family = Family(component, given, base, node.at, places)
    if reason := invalid_combination(component, family.values):
        problems.add(node.at, f"{component.name}: {reason}")
        return None
    return family


def _values(
    component: type[Component], written: dict[str, tuple[Node, ...]], node: Node, problems: Problems
) -> dict[str, tuple[Value, ...]]:
    first = {key: plain(values[0]) for key, values in written.items()}
    given: dict[str, tuple[Value, ...]] = {}
    for key, values in written.items():
        others = {name: value for name, value in first.items() if name != key}
        valid = [validated(component, key, value, others, problems, node) for value in values]
        given[key] = tuple(value_of(one, key) for one in valid if one is not None)
    return given


def _base(
    component: type[Component], given: dict[str, tuple[Value, ...]], at: At, problems: Problems
) -> Component | None:
    """The component with the first of each value; what is wrong with them together is noted."""
    try:
        return component(**{key: values[0].python for key, values in given.items()})
    except ValidationError as error:
        problems.of_validation(flattened(error), Scalar(component.name, at), component.name)
        return None
