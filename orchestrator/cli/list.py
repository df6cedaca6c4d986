"""`orch list`: the components that a grid can name."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orchestrator.grid.documentation import ComponentDoc

_KINDS = ("dataset", "model", "optimizer", "regularizer", "schedule")


@click.command(epilog="Example: orch list model")
@click.argument("kind", required=False, type=click.Choice(_KINDS))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(kind: str | None, as_json: bool) -> None:
    """The components that a grid can name, with their parameters and defaults.

    KIND leaves out the others. What plug-ins add is listed too.
    """
    from orchestrator.grid.documentation import documented

    found = [component for each in ([kind] if kind else _KINDS) for component in documented(each)]
    click.echo(_as_json(found) if as_json else "\n".join(_as_text(found)))


def _as_json(components: "list[ComponentDoc]") -> str:
    import json
    from dataclasses import asdict

    return json.dumps([asdict(component) for component in components], indent=2, ensure_ascii=False)


def _as_text(components: "list[ComponentDoc]") -> list[str]:
    lines: list[str] = []
    kind = None
    for component in components:
        if component.kind != kind:
            kind = component.kind
            lines += ["", click.style(kind, bold=True)] if lines else [click.style(kind, bold=True)]
        lines.append(f"  {click.style(component.name, fg='cyan')}  {component.about}")
        for parameter in component.parameters:
            default = "has to be given" if parameter.default is None else f"default {parameter.default}"
            about = f": {parameter.about}" if parameter.about else ""
            lines.append(f"      {parameter.name} ({parameter.type}; {default}){about}")
    return lines
