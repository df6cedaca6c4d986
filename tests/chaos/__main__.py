"""`python -m tests.chaos`: faults for so many minutes (`make chaos MINUTES=60`), or one fault so many times."""

import os
import sys
from pathlib import Path

import click

from tests.chaos.faults import FAULTS, INLINE, RAY
from tests.chaos.ledger import Ledger
from tests.chaos.walk import Walk
from tests.hearing import hear_signals

DOCUMENT = Path(__file__).parents[2] / "docs" / "chaos.md"


@click.command()
@click.option("--minutes", type=float, default=5.0, show_default=True)
@click.option("--fault", type=click.Choice(list(FAULTS)), help="This one alone.")
@click.option("--times", type=click.IntRange(min=1), default=1, show_default=True, help="With --fault.")
@click.option("--engine", type=click.Choice(["inline", "ray"]), help="Faults of this engine alone.")
@click.option("--seed", type=int, help="Of the random walk; the kept one when not given.")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=Path("~/.cache/orch-chaos"),
    show_default=True,
    help="Where the walk goes on from, and where broken cases are kept.",
)
@click.option("--document", type=click.Path(path_type=Path), default=DOCUMENT, help="To which the counts are added.")
def chaos(
    minutes: float, fault: str | None, times: int, engine: str | None, seed: int | None, state: Path, document: Path
) -> None:
    """Disturb sweeps and check what must hold. Ends with 1 when it did not."""
    os.environ["OMP_NUM_THREADS"] = "1"
    hear_signals()
    walk = Walk(state.expanduser(), Ledger(document), click.echo, seed)
    if fault is not None:
        walk.repeat(FAULTS[fault], times)
    else:
        faults = {"inline": INLINE, "ray": RAY}.get(engine or "", (*INLINE, *RAY))
        walk.wander(faults, minutes)
    click.echo(f"{walk.broken} cases broke the invariant; counts are in {document}")
    sys.exit(1 if walk.broken else 0)


if __name__ == "__main__":
    chaos()
