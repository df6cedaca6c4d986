"""`orch claims RESULTS...`: what a grid claims, and the verdicts."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import PATH

if TYPE_CHECKING:
    from orchestrator.evidence.judge import Judgement


@click.command(epilog="Example: orch claims results/stills; orch claims results/stills results/clips --json")
@click.argument("results", type=RESULTS, nargs=-1, required=True)
@click.option(
    "--grid",
    type=PATH,
    help="Take the claims of this file; those that the latest sweep's grid did not have are post hoc. For one RESULTS only.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(results: tuple[Path, ...], grid: Path | None, as_json: bool) -> int:
    """Give a verdict on each claim of the grid with results in RESULTS: supported, contradicted, inconclusive, confounded.

    Each comes with its scope, effect, interval, corrected p, number of pairs, what else differs, and what would decide it.
    The claims of several RESULTS are one family: p is corrected over all of them. Exits with 0 whatever the verdicts are, 2
    if a claim cannot be read or several RESULTS cannot be one family, 4 for damaged results (after showing what can be
    shown).
    """
    from orchestrator.errors import UserError
    from orchestrator.evidence.judge import judge, judge_together
    from orchestrator.evidence.text import lines_of, summary, withdrawn
    from orchestrator.store.reading import results_at

    every = [results_at(one) for one in results]
    if len(every) > 1 and grid is not None:
        raise UserError("--grid works with a single RESULTS; give one of them, or leave --grid out")
    judged = judge(every[0], grid) if len(every) == 1 else judge_together(every)
    if as_json:
        _print_json(judged)
    elif not judged.verdicts:
        say(f"{judged.sweep} makes no claims; docs/claims.md says how a grid states what its results should show")
    else:
        before = None
        for verdict, root in zip(judged.verdicts, judged.results, strict=True):
            if len(every) > 1 and root != before:
                say(f"{root}\n")
            say("\n".join(lines_of(verdict)) + "\n")
            before = root
        say(f"{judged.sweep}, {summary(judged.verdicts)}")
    if judged.dropped and not as_json:
        say(withdrawn(judged.dropped))
    for damage in judged.damage:
        say(damage, err=True)
    return 4 if judged.damage else 0


def _print_json(judged: "Judgement") -> None:
    import json

    from orchestrator.evidence.text import as_json

    document = {
        "sweep": judged.sweep,
        "claims": [
            {**as_json(verdict), "results": str(root)}
            for verdict, root in zip(judged.verdicts, judged.results, strict=True)
        ],
        "dropped": list(judged.dropped),
        "trouble": list(judged.damage),
    }
    say(json.dumps(document, indent=2, allow_nan=False))
