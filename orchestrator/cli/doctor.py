"""`orch doctor`: what is installed, reachable and misconfigured, and the fix."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import FILE, PATH

if TYPE_CHECKING:
    from orchestrator.doctor import CheckResult

_MARKS: Final = {"ok": ("ok", "green"), "note": ("note", "yellow"), "problem": ("PROBLEM", "red")}


@click.command(epilog="Example: orch doctor --data ~/data --cluster clusters/gpu.yaml")
@click.option("--cluster", type=FILE, help="Cluster file to check.")
@click.option("--data", type=PATH, envvar="ORCH_DATA", help="Data folder to check.  [env: ORCH_DATA]")
@click.option("--results", type=RESULTS, default=Path("results"), show_default=True)
@click.option("--quick", is_flag=True, help="Do not start or join Ray.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with `usable` and `findings`.")
@click.pass_context
def command(
    context: click.Context, cluster: Path | None, data: Path | None, results: Path, quick: bool, as_json: bool
) -> None:
    """Say what is installed, what is reachable and what is misconfigured, and how to fix it.

    Exits with 0 if a sweep can run, 1 if something has to be fixed first.
    """
    from orchestrator.doctor import examine

    checks = []
    for check in examine(cluster, data, results, start_ray=not quick):
        checks.append(check)
        if not as_json:
            _print(check)
    usable = all(check.state != "problem" for check in checks)
    if as_json:
        _print_json(checks, usable)
    else:
        say(f"\n{'orch is ready' if usable else 'fix the problems above first'}")
    context.exit(0 if usable else 1)


def _print(check: "CheckResult") -> None:
    import os

    mark, colour = _MARKS[check.state]
    # click knows terminals, not NO_COLOR
    styled = f"{mark:8}" if os.environ.get("NO_COLOR") else click.style(f"{mark:8}", fg=colour)
    say(f" {check.about}: {check.found}", before=styled)
    if check.fix:
        say(f"{'':8} fix: {check.fix}")


def _print_json(checks: "list[CheckResult]", usable: bool) -> None:
    import json
    from dataclasses import asdict

    say(json.dumps({"usable": usable, "findings": [asdict(check) for check in checks]}, indent=2))
