"""`orch list`: the components that a grid can name."""

from typing import TYPE_CHECKING

import click

from orchestrator.cli.terminal import say
from trainables import AXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.grid.schema import ComponentDoc, ParameterDoc

_KINDS = (*AXES, "schedule", "measurement")


@click.command(epilog="Example: orch list model")
@click.argument("kind", required=False, type=click.Choice(_KINDS))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(kind: str | None, as_json: bool) -> None:
    """List the components that a grid can name, with their parameters and defaults.

    Name a kind to list only that one. Components of plug-ins are listed too.
    """
    from orchestrator.grid.schema import documented

    found = [component for each in ([kind] if kind else _KINDS) for component in documented(each)]
    if as_json:
        say(_as_json(found))
        return
    for styled, text in _as_text(found, _shared(found)):
        say(text, before=styled)


def _shared(components: "list[ComponentDoc]") -> "dict[str, tuple[ParameterDoc, ...]]":
    """Return what every component of a kind takes: said once, in place of with each."""
    from orchestrator.grid.schema import shared_parameters
    from trainables.registry import registry

    first = {component.kind: component for component in reversed(components) if ":" not in component.name}
    return {kind: shared_parameters(registry.get(kind, component.name)) for kind, component in first.items()}


def _as_json(components: "list[ComponentDoc]") -> str:
    import json
    from dataclasses import asdict

    return json.dumps([asdict(component) for component in components], indent=2, ensure_ascii=False)


def _as_text(components: "list[ComponentDoc]", shared: "dict[str, tuple[ParameterDoc, ...]]") -> list[tuple[str, str]]:
    """Lines: what begins them in a style, and the rest."""
    lines: list[tuple[str, str]] = []
    kind = None
    for component in components:
        if component.kind != kind:
            kind = component.kind
            lines += [("", "")] if lines else []
            lines.append((click.style(kind, bold=True), ""))
            if shared.get(kind):
                lines += [("", f"  every {kind} takes these, besides its own:"), *_described(shared[kind])]
        lines.append((f"  {click.style(component.name, fg='cyan')}", f"  {component.about}"))
        lines += _described([parameter for parameter in component.parameters if parameter not in shared.get(kind, ())])
    return lines


def _described(parameters: "Sequence[ParameterDoc]") -> list[tuple[str, str]]:
    lines = []
    for parameter in parameters:
        default = "required" if parameter.default is None else f"default {parameter.default}"
        about = f": {parameter.about}" if parameter.about else ""
        lines.append(("", f"      {parameter.name} ({parameter.type}; {default}){about}"))
    return lines
