"""`orch wandb push RESULTS`: send what W&B does not have yet."""

from pathlib import Path

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS


@click.group()
def command() -> None:
    """Send a sweep to W&B."""


@command.command(epilog="Example: orch wandb push results/demo")
@click.argument("results", type=RESULTS)
@click.option("--project", help="[default: the grid's]")
@click.option("--entity", help="User or team.  [default: the grid's, else the key's own]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def push(results: Path, project: str | None, entity: str | None, as_json: bool) -> None:
    """Send the runs of RESULTS that W&B does not have yet, and the sweep's report.

    Use it after an outage, or from a machine with a network if the sweep had none. Nothing is sent twice, however often
    it runs. Exits with 3 if W&B does not answer; the same command then goes on.
    """
    from orchestrator.store.reading import results_at
    from orchestrator.wandb.push import destination
    from orchestrator.wandb.push import push as send

    paths = results_at(results)
    to = destination(paths, project, entity)
    pushed = send(paths, to, lambda line: say(line, err=True))
    if as_json:
        import json
        from dataclasses import asdict

        say(json.dumps(asdict(pushed)))
    else:
        known = f"; {pushed.there} were already there" if pushed.there else ""
        say(f"{pushed.written} runs sent to {to.project}{known}")
        if pushed.report:
            say(pushed.report)
