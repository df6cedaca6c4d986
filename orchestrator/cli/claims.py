"""`orch claims RESULTS`: what a grid claims, and the verdicts."""

from pathlib import Path

import click

from orchestrator.cli.path import PATH
from orchestrator.cli.terminal import say


@click.command(epilog="Example: orch claims results/stills; orch claims results/stills --grid stills.yaml --json")
@click.argument("results", type=PATH)
@click.option(
    "--grid",
    type=PATH,
    help="Take the claims of this file; what the latest sweep's grid did not have is post hoc.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(results: Path, grid: Path | None, as_json: bool) -> int:
    """A verdict on each claim of the grid whose results are in RESULTS: supported, contradicted, inconclusive or confounded.

    Each with its effect, interval, corrected p, number of pairs, and what would decide it. Ends with 0 whatever the
    verdicts are, 2 where a claim cannot be read, 4 for damaged results (after showing what can be shown).
    """
    from orchestrator.evidence.judge import judge
    from orchestrator.evidence.text import as_json as plain
    from orchestrator.evidence.text import lines_of, summary, withdrawn
    from orchestrator.store.reading import results_at

    judged = judge(results_at(results), grid)
    if as_json:
        import json

        shown = [plain(verdict) for verdict in judged.verdicts]
        document = {
            "sweep": judged.sweep,
            "claims": shown,
            "dropped": list(judged.dropped),
            "trouble": list(judged.damage),
        }
        say(json.dumps(document, indent=2, allow_nan=False))
    elif not judged.verdicts:
        say(f"{judged.sweep} claims nothing; docs/claims.md says how a grid states what its results should show")
    else:
        for verdict in judged.verdicts:
            say("\n".join(lines_of(verdict)) + "\n")
        say(f"{judged.sweep}, {summary(judged.verdicts)}")
    if judged.dropped and not as_json:
        say(withdrawn(judged.dropped))
    for damage in judged.damage:
        say(damage, err=True)
    return 4 if judged.damage else 0
