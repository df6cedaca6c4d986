"""`orch verify RESULTS`: is everything as it was written?"""

from pathlib import Path

import click

from orchestrator.cli.terminal.completion import RESULTS


@click.command(epilog="Example: orch verify results/demo")
@click.argument("results", type=RESULTS)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(results: Path, as_json: bool) -> int:
    """Check every file of the directory RESULTS, and write nothing.

    Exits with 0 if everything is intact, 4 if a file is damaged (`orch repair` repairs what can be repaired), 2 if this is
    not a results directory.
    """
    import json
    from dataclasses import asdict

    from orchestrator.cli.terminal import say
    from orchestrator.store.integrity.verify import verify
    from orchestrator.store.reading import results_at

    verdicts = []
    for verdict in verify(results_at(results)):
        verdicts.append(verdict)
        if not as_json:
            state = "intact" if verdict.intact else "DAMAGED"
            says = verdict.damage or verdict.detail
            say(f"{state:8} {verdict.file}{f': {says}' if says else ''}")
    damaged = [verdict for verdict in verdicts if not verdict.intact]
    if as_json:
        files = [{**asdict(verdict), "whole": verdict.intact} for verdict in verdicts]
        say(json.dumps({"whole": not damaged, "files": files}, indent=2))
    elif damaged:
        say(f"{len(damaged)} damaged; `orch repair {results}` repairs what can be repaired", err=True)
    return 4 if damaged else 0
