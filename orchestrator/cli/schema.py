"""`orch schema`: the JSON Schema of a grid file."""

import click

from orchestrator.cli.terminal import say


@click.command(epilog="Example: orch schema > grid.schema.json")
def command() -> None:
    """Print the JSON Schema of a grid file, with every component and its parameters.

    An editor with a YAML language server then completes and checks a grid that begins with the line
    `# yaml-language-server: $schema=grid.schema.json`.
    """
    import json

    from orchestrator.grid.schema import grid_schema

    say(json.dumps(grid_schema(), indent=2, ensure_ascii=False))
